// SPDX-License-Identifier: GPL-3.0-or-later
// Asks for addresses on a segment, and hears what comes back.
//
// usage: asker INTERFACE KIND RATE SECONDS FROM SLEEPING PERMILLE TAIL_MS
//   KIND      arp: requests to all, and the magic packets they lead to are heard; answer: requests too, and the ARP
//             answers are heard; syn: SYNs to port 22, sent to the card SERVER_MAC (environment), magic packets heard
//   RATE      frames per second; 0: as fast as it goes
//   SLEEPING  hosts 0 to SLEEPING-1 sleep; host N has the address 10.1.0.0 + N and the card 02:4c:NN:NN:NN:NN
//   PERMILLE  of the frames name a sleeper, each from FROM on once; the others name addresses that nobody has
// Time is from just before the send to the kernel's receive time stamp, in microseconds. Prints one JSON object; its
// "cpu" is what sending took, in seconds: over a veth pair that includes the receiving kernel's part.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, LONGEST = 64, FIRST = 0x0a010000, NOBODY = 0x0a800000 };
enum kind { ARP, ANSWER, SYN };

static uint32_t sleeping;
static uint64_t *asked_at, *heard_at;
static uint64_t again;
static int interface_index;
static enum kind kind;
static volatile int done;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int packet_socket(uint16_t protocol) {
    int s = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll here = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = interface_index};
    int room = 64 << 20;
    if (s < 0) die("socket");
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    if (bind(s, (struct sockaddr *)&here, sizeof here)) die("bind");
    return s;
}

// The number of the host that a frame is about; UINT32_MAX where it is about none.
static uint32_t host_of(const unsigned char *frame, ssize_t size) {
    uint32_t number;
    if (kind == ANSWER) {
        if (size < 42 || frame[21] != 2) return UINT32_MAX;
        memcpy(&number, frame + 28, 4);
        return ntohl(number) - FIRST;
    }
    if (size < 116 || frame[14] != 0xff || frame[19] != 0xff) return UINT32_MAX;
    memcpy(&number, frame + 22, 4);
    return ntohl(number);
}

static void *hear(void *unused) {
    int s = packet_socket(kind == ANSWER ? ETH_P_ARP : 0x0842), on = 1;
    struct timeval patience = {0, 50000};
    unsigned char frame[256];
    char control[256];
    (void)unused;
    setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (!done) {
        struct iovec part = {frame, sizeof frame};
        struct sockaddr_ll from;
        struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                                 .msg_control = control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(s, &message, 0);
        uint32_t host = size > 0 && from.sll_pkttype != PACKET_OUTGOING ? host_of(frame, size) : UINT32_MAX;
        if (host >= sleeping) continue;
        if (heard_at[host]) {
            again++;
            continue;
        }
        heard_at[host] = clock_ns(CLOCK_REALTIME);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec t;
                memcpy(&t, CMSG_DATA(c), sizeof t);
                heard_at[host] = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
            }
    }
    return NULL;
}

static size_t template(unsigned char *frame, const unsigned char *own) {
    static const unsigned char arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    memset(frame, 0, LONGEST);
    memcpy(frame + 6, own, 6);
    if (kind != SYN) {
        memset(frame, 0xff, 6);
        memcpy(frame + 12, arp, sizeof arp);
        memcpy(frame + 22, own, 6);
        memcpy(frame + 28, "\x0a\xff\xff\x01", 4);
        return 42;
    }
    if (!getenv("SERVER_MAC")) die("SERVER_MAC");
    sscanf(getenv("SERVER_MAC"), "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", frame, frame + 1, frame + 2, frame + 3, frame + 4,
           frame + 5);
    frame[12] = 8, frame[14] = 0x45, frame[17] = 40, frame[22] = 64, frame[23] = 6;
    memcpy(frame + 26, "\x0a\xff\xff\x01", 4);
    frame[34] = 0x30, frame[37] = 22, frame[46] = 0x50, frame[47] = 2;
    return 54;
}

// One's complement of the one's complement sum (RFC 1071) of the bytes, and of what is in `sum` already.
static void checksum(unsigned char *to, const unsigned char *from, const unsigned char *end, uint32_t sum) {
    to[0] = to[1] = 0;
    for (; from < end; from += 2) sum += (uint32_t)(from[0] << 8 | from[1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    to[0] = (unsigned char)(~sum >> 8), to[1] = (unsigned char)~sum;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_THREAD, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void report(uint64_t sent, double seconds, uint64_t asked, double cpu) {
    uint64_t *late = calloc(sleeping + 1, sizeof *late);
    uint32_t heard = 0;
    for (uint32_t i = 0; i < sleeping; i++)
        if (asked_at[i] && heard_at[i]) late[heard++] = heard_at[i] > asked_at[i] ? heard_at[i] - asked_at[i] : 0;
    qsort(late, heard, sizeof *late, by_value);
    printf("{\"sent\": %lu, \"seconds\": %.4f, \"asked\": %lu, \"heard\": %u, \"again\": %lu, \"cpu\": %.6f, \"p50\": %.2f, "
           "\"p99\": %.2f, \"most\": %.2f}\n",
           sent, seconds, asked, heard, again, cpu, heard ? 1e-3 * (double)late[heard / 2] : -1,
           heard ? 1e-3 * (double)late[(uint32_t)(heard * 0.99)] : -1,
           heard ? 1e-3 * (double)late[heard - 1] : -1);
}

int main(int count, char **words) {
    if (count != 9) {
        fprintf(stderr, "usage: asker INTERFACE KIND RATE SECONDS FROM SLEEPING PERMILLE TAIL_MS\n");
        return 2;
    }
    kind = !strcmp(words[2], "syn") ? SYN : !strcmp(words[2], "answer") ? ANSWER : ARP;
    double rate = atof(words[3]), seconds = atof(words[4]);
    uint32_t permille = (uint32_t)atoi(words[7]), dice = 12345, next = (uint32_t)atoi(words[5]);
    sleeping = (uint32_t)atoi(words[6]);
    interface_index = (int)if_nametoindex(words[1]);
    if (!interface_index) die(words[1]);
    asked_at = calloc(sleeping + 1, sizeof *asked_at);
    heard_at = calloc(sleeping + 1, sizeof *heard_at);
    pthread_t listener;
    pthread_create(&listener, NULL, hear, NULL);
    usleep(100000);

    static unsigned char frames[BATCH][LONGEST];
    static struct mmsghdr messages[BATCH];
    static struct iovec parts[BATCH];
    int s = packet_socket(0), on = 1;
    size_t where = kind == SYN ? 30 : 38;
    setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){frames[i], template(frames[i], (const unsigned char *)"\x02\xaa\xff\xff\xff\x01")};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    uint64_t start = clock_ns(CLOCK_MONOTONIC), end = start + (uint64_t)(seconds * 1e9), sent = 0, asked = 0, now;
    while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
        uint64_t due = rate > 0 ? (uint64_t)((double)(now - start) * 1e-9 * rate) : sent + BATCH;
        if (due <= sent) {
            uint64_t when = start + (uint64_t)((double)(sent + 1) / rate * 1e9);
            struct timespec then = {(time_t)(when / 1000000000u), (long)(when % 1000000000u)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
            continue;
        }
        // A batch ends with the frame that names a sleeper: its time is that of the send.
        int size = 0, names = 0;
        while (size < BATCH && sent + (uint64_t)size < due && !names) {
            dice = dice * 1664525u + 1013904223u;
            names = (dice >> 8) % 1000 < permille && next < sleeping;
            uint32_t to = htonl(names ? FIRST + next : NOBODY + (dice >> 9));
            unsigned char *frame = frames[size++];
            memcpy(frame + where, &to, 4);
            if (kind == SYN) {
                checksum(frame + 24, frame + 14, frame + 34, 0);
                checksum(frame + 50, frame + 26, frame + 54, 6 + 20);  // its pseudo-header lies before it, but for these
            }
        }
        if (names) {
            asked_at[next++] = clock_ns(CLOCK_REALTIME);
            asked++;
        }
        for (int out = 0; out < size;) {
            int taken = sendmmsg(s, messages + out, (unsigned)(size - out), 0);
            if (taken > 0) out += taken;
        }
        sent += (uint64_t)size;
    }
    double cpu = cpu_seconds(), took = (double)(clock_ns(CLOCK_MONOTONIC) - start) * 1e-9;
    usleep((unsigned)atoi(words[8]) * 1000);
    done = 1;
    pthread_join(listener, NULL);
    report(sent, took, asked, cpu);
    return 0;
}
