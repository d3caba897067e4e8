# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared, by the names that results, tables and plots use."""

LINK = "powerwaked, link"
POST = "powerwaked, POST, connections kept"
POSTS = "powerwaked, POST, a connection each"
ECHO = "aiohttp that only echoes, WebSocket"
ECHO_POST = "aiohttp that only echoes, POST, connections kept"
ECHO_POSTS = "aiohttp that only echoes, POST, a connection each"
