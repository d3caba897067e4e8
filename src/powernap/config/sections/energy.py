# SPDX-License-Identifier: GPL-3.0-or-later
"""[energy]: what the machine draws, for the estimates of `powernap history` and `powernap calculator`."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class EnergySettings:
    """What the machine draws, for estimates of what naps save. 0: not known, and then nothing is estimated."""

    watts_awake: float = setting(
        "float", 0, "power while awake and idle, as measured at the plug; 0: not known", unit="watts", minimum=0
    )
    watts_powersave: float = setting("float", 0, "power in powersave; 0: not known", unit="watts", minimum=0)
    watts_asleep: float = setting("float", 0, "power while asleep or switched off", unit="watts", minimum=0)
    price_per_kwh: float = setting("float", 0, "price of a kilowatt hour; 0: not known", minimum=0, example=0.30)
    currency: str = setting("str", "", "of that price", example="EUR")
