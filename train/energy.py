"""Energy and carbon of a run, by the paper's formula, from GPU-hours or from what the GPUs themselves measured.

    Wh = GPU-hours x watts of a GPU x PUE;  tCO2eq = MWh x 0.385        (LLaMA, section 6)

The paper takes an A100's 400 W whatever it really drew. Where NVIDIA's library is installed (`pynvml`), a run reads the
GPUs' own counters instead, and says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PUE = 1.1  # LLaMA, section 6: power usage effectiveness
INTENSITY = 0.385  # the same: tCO2eq per MWh, the United States' average
A100_WATTS = 400.0  # the same
_MEGA = 1e6
_MILLIJOULES_PER_WH = 3.6e6
# Board power from NVIDIA's data sheets, by what the device's name starts with.
WATTS = {
    "NVIDIA A100": A100_WATTS,
    "NVIDIA H100 PCIe": 350.0,
    "NVIDIA H100 NVL": 400.0,
    "NVIDIA H100": 700.0,
    "NVIDIA H200": 700.0,
}


@dataclass(frozen=True, slots=True)
class Footprint:
    """Energy and carbon; `measured` tells whether the GPUs measured it or the formula estimates it."""

    mwh: float
    tco2eq: float
    measured: bool = False


def footprint(gpu_hours: float, watts: float = A100_WATTS, pue: float = PUE) -> Footprint:
    """Return the footprint of that many GPU-hours by the paper's formula; Table 15 truncates MWh and rounds tCO2eq."""
    mwh = gpu_hours * watts * pue / _MEGA
    return Footprint(mwh, mwh * INTENSITY)


def measured(watt_hours: float, pue: float = PUE) -> Footprint:
    """Return the footprint of what the GPUs drew, with the same overhead and intensity."""
    mwh = watt_hours * pue / _MEGA
    return Footprint(mwh, mwh * INTENSITY, measured=True)


def watts_of(device_name: str) -> float | None:
    """Return a GPU's board power, None where it is not known."""
    return next((watts for name, watts in WATTS.items() if device_name.startswith(name)), None)


class Meter:
    """What one GPU has drawn since the meter was made, in watt-hours; None where nothing measures it."""

    def __init__(
        self, device: str | None, library: Callable[[], Any] = lambda: importlib.import_module("pynvml")
    ) -> None:
        """Start to measure the GPU of that UUID, None: nothing."""
        self._read = _counter(device, library)
        self._start = self._read() if self._read is not None else 0

    def watt_hours(self) -> float | None:
        """Return the energy so far."""
        return None if self._read is None else (self._read() - self._start) / _MILLIJOULES_PER_WH


def _counter(device: str | None, library: Callable[[], Any]) -> Callable[[], int] | None:
    if device is None:
        return None
    try:
        nvml = library()
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{device}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # a missing library, driver or counter: the estimate is used
        return None
    return lambda: int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))


def used(seconds: float, gpus: int, device_name: str, watt_hours: float | None) -> Footprint | None:
    """Return the footprint of a run: measured where it was, estimated where the GPU is known, else None."""
    if watt_hours is not None:
        return measured(watt_hours)
    watts = watts_of(device_name)
    return None if watts is None else footprint(seconds / 3600 * gpus, watts)
