"""Simulated records are pinned: the demo and the pages' figures rest on these numbers.

A change of the simulator that is meant changes them too: replace the rows by what the test prints.
"""

import numpy as np
import pytest

from simulate import CLEAN, Noise, draw_diagnoses, simulate

# Diagnosis and seed: beats, first and last R peak, age, sex; symbols; onset and offset of P, QRS
# and T of the fourth usual beat in samples at 125 Hz; standard deviation of II and V2, largest
# value in II and smallest in V2, all in µV.
PINNED = {
    ("NSR", 3): ("16 47 1247 27 F", "NNNNNNNNNNNNNNNN",
        "265 277 282 294 301 322", "141.1 147.2 757.5 -554.4"),
    ("SB", 3): ("10 3 1209 27 F", "NNNNNNNNNN",
        "382 393 399 411 423 450", "128.2 122.6 736.2 -574.9"),
    ("STach", 3): ("23 4 1201 27 F", "NNNNNNNNNNNNNNNNNNNNNNN",
        "146 157 163 174 178 196", "153.5 173.6 748.6 -566.9"),
    ("SA", 3): ("13 24 1188 20 F", "NNNNNNNNNNNNN",
        "283 295 300 312 321 344", "137.1 136.8 742.2 -560.7"),
    ("AF", 3): ("20 1 1225 54 F", "NNNNNNNNNNNNNNNNNNNN",
        "-1 -1 174 186 191 210", "155.5 166.8 754.4 -628.0"),
    ("AFL", 3): ("15 63 1214 54 F", "NNNNNNNNNNNNNNN",
        "-1 -1 304 316 323 345", "126.7 160.9 618.9 -660.2"),
    ("PR", 3): ("13 48 1232 54 F", "/////////////",
        "-1 -1 334 355 356 381", "172.4 471.3 998.4 -1651.9"),
    ("PAC", 3): ("17 27 1229 27 F", "NNANNNANNANNANNNN",
        "304 316 322 333 340 361", "146.7 152.3 757.6 -538.3"),
    ("PVC", 3): ("15 74 1192 54 F", "NVNNNVNNVNNVNNN",
        "371 382 388 400 407 428", "228.6 168.4 742.8 -544.0"),
    ("LBBB", 3): ("16 47 1247 54 F", "LLLLLLLLLLLLLLLL",
        "257 269 275 295 295 317", "166.5 516.6 536.4 -1623.1"),
    ("RBBB", 3): ("16 47 1247 27 F", "RRRRRRRRRRRRRRRR",
        "265 276 282 301 302 324", "104.8 168.1 394.3 -404.8"),
    ("IRBBB", 3): ("16 47 1247 27 F", "NNNNNNNNNNNNNNNN",
        "265 276 282 297 301 322", "131.1 144.5 639.6 -468.8"),
    ("IAVB", 3): ("13 32 1163 54 F", "NNNNNNNNNNNNN",
        "281 293 311 323 331 354", "135.4 136.5 748.1 -538.6"),
    ("LAD", 3): ("16 47 1247 27 F", "NNNNNNNNNNNNNNNN",
        "265 277 282 294 301 322", "118.9 151.6 393.4 -545.0"),
    ("RAD", 3): ("16 47 1247 27 F", "NNNNNNNNNNNNNNNN",
        "265 276 282 294 301 322", "130.9 148.2 656.8 -559.1"),
    ("LQRSV", 3): ("16 47 1247 27 F", "NNNNNNNNNNNNNNNN",
        "265 277 282 294 301 322", "72.7 108.9 294.5 -339.9"),
    ("PRWP", 3): ("16 47 1247 54 F", "NNNNNNNNNNNNNNNN",
        "265 277 282 294 301 322", "141.1 246.8 757.5 -1311.7"),
    ("LQT", 3): ("13 32 1163 27 F", "NNNNNNNNNNNNN",
        "294 305 311 323 339 370", "139.6 140.3 748.1 -538.8"),
    ("TInv", 3): ("16 47 1247 27 F", "NNNNNNNNNNNNNNNN",
        "265 277 282 294 301 322", "159.6 143.4 757.3 -555.0"),
    ("NSR", 8): ("13 70 1208 43 F", "NNNNNNNNNNNNN",
        "324 336 345 357 367 391", "183.3 163.4 1216.6 -757.2"),
    ("SB", 8): ("8 56 1124 43 F", "NNNNNNNN",
        "488 500 510 522 536 566", "155.2 133.4 1196.4 -775.8"),
    ("STach", 8): ("21 4 1247 43 F", "NNNNNNNNNNNNNNNNNNNNN",
        "163 175 184 196 202 221", "212.5 199.3 1214.8 -750.0"),
    ("SA", 8): ("12 37 1210 26 F", "NNNNNNNNNNNN",
        "353 365 375 387 397 423", "178.6 158.4 1207.7 -773.4"),
    ("AF", 8): ("16 38 1241 64 F", "NNNNNNNNNNNNNNNN",
        "-1 -1 200 212 220 242", "199.8 188.3 1201.3 -864.8"),
    ("AFL", 8): ("12 43 1207 64 F", "NNNNNNNNNNNN",
        "-1 -1 355 367 378 403", "217.5 164.6 1291.4 -692.9"),
    ("PR", 8): ("11 63 1167 64 F", "///////////",
        "363 375 384 406 409 436", "312.7 528.9 1240.2 -1990.1"),
    ("PAC", 8): ("14 79 1246 43 F", "NNNANNNANNANNN",
        "410 422 431 443 453 477", "188.3 167.8 1216.4 -774.3"),
    ("PVC", 8): ("13 64 1203 64 F", "NNNVNNNVNNVNN",
        "415 427 437 449 458 482", "274.2 208.7 1683.7 -1065.9"),
    ("LBBB", 8): ("13 70 1208 64 F", "LLLLLLLLLLLLL",
        "316 328 338 358 360 386", "326.4 589.5 1117.3 -2013.7"),
    ("RBBB", 8): ("13 70 1208 43 F", "RRRRRRRRRRRRR",
        "324 335 345 364 368 393", "152.1 213.8 889.8 -603.7"),
    ("IRBBB", 8): ("13 70 1208 43 F", "NNNNNNNNNNNNN",
        "324 336 345 360 367 391", "188.5 168.4 1228.7 -692.1"),
    ("IAVB", 8): ("12 24 1168 64 F", "NNNNNNNNNNNN",
        "295 307 332 344 355 380", "178.0 157.6 1216.8 -782.4"),
    ("LAD", 8): ("13 70 1208 43 F", "NNNNNNNNNNNNN",
        "324 336 345 357 367 391", "115.2 180.8 424.4 -820.5"),
    ("RAD", 8): ("13 70 1208 43 F", "NNNNNNNNNNNNN",
        "324 336 345 357 367 391", "132.0 171.5 690.2 -789.9"),
    ("LQRSV", 8): ("13 70 1208 43 F", "NNNNNNNNNNNNN",
        "324 336 345 357 367 391", "83.3 111.9 415.3 -426.7"),
    ("PRWP", 8): ("13 70 1208 64 F", "NNNNNNNNNNNNN",
        "324 336 345 357 367 391", "183.3 216.8 1216.6 -1093.3"),
    ("LQT", 8): ("12 24 1168 43 F", "NNNNNNNNNNNN",
        "311 323 332 344 362 395", "179.8 161.4 1216.8 -782.5"),
    ("TInv", 8): ("13 70 1208 43 F", "NNNNNNNNNNNNN",
        "324 336 345 357 367 391", "200.3 157.6 1216.5 -757.6"),
}  # fmt: skip


def described(diagnosis: str, seed: int) -> tuple[str, str, str, list[float]]:
    record = simulate([diagnosis], seed=seed, fs=125, leads=("II", "V2"))
    peaks = record.r_peaks
    usual = [
        waves
        for waves, symbol in zip(record.waves, record.symbols, strict=True)
        if symbol not in "AV"
    ]
    two, v2 = 1000 * record.signal
    return (
        f"{len(peaks)} {peaks[0]} {peaks[-1]} {record.age:.0f} {record.sex[0]}",
        "".join(record.symbols),
        " ".join(map(str, usual[3].ravel())),
        [two.std(), v2.std(), two.max(), v2.min()],
    )


@pytest.mark.parametrize(("diagnosis", "seed"), PINNED, ids=str)
def test_records_are_the_pinned_ones(diagnosis: str, seed: int) -> None:
    person, symbols, waves, microvolts = described(diagnosis, seed)
    expected = PINNED[diagnosis, seed]
    assert (person, symbols, waves) == expected[:3]
    assert microvolts == pytest.approx([float(text) for text in expected[3].split()], abs=0.15)


def noise_of(noise: Noise) -> np.ndarray:
    """Give the noise of I, II and V1 to V6 in mV; 60 s at 500 Hz."""
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    options = {"seed": 1, "duration_s": 60.0, "leads": leads}
    return simulate(noise=noise, **options).signal - simulate(noise=CLEAN, **options).signal


def test_usual_noise_has_8_microvolts_of_muscle_4_of_mains_and_40_of_wander() -> None:
    """Wander: three sines whose amplitudes vary by 0.6 among leads, so 0.04 · 0.6 · √(3/2)."""
    noise = noise_of(Noise())
    spectrum = np.abs(np.fft.rfft(noise)) / noise.shape[1] * 2  # bins of 1/60 Hz
    mains = spectrum[:, 3000]
    assert 0.002 <= mains.min() <= mains.max() <= 0.0042
    slow = spectrum[:, :30]  # up to 0.5 Hz
    assert np.sqrt((slow**2).sum(axis=1).mean() / 2) == pytest.approx(0.0294, rel=0.25)
    assert np.diff(noise).std() == pytest.approx(0.008 * 2**0.5, rel=0.1)
    sines = [round(60 * hertz) for hertz in (0.12, 0.28, 0.45)]
    wander = np.abs(np.fft.rfft(noise_of(Noise(0.04, 0, muscle_mv=0)))) ** 2
    assert wander[:, [b + s for b in sines for s in (-1, 0, 1)]].sum() > 0.8 * wander[:, 1:].sum()


def test_a_bad_contact_adds_white_noise_of_0_2_mv() -> None:
    noise = noise_of(Noise(0, 0, muscle_mv=0, noisy=("V1",)))
    assert noise[2].std() == pytest.approx(0.2, rel=0.02)
    assert not noise[[0, 1, 3, 4, 5, 6, 7]].any()


def test_six_in_a_hundred_records_have_a_further_finding_of_each_kind() -> None:
    """In sinus rhythm; 2,000 draws, three standard errors."""
    drawn = [draw_diagnoses(np.random.default_rng(seed), "NSR") for seed in range(2000)]
    for finding in ("PAC", "LBBB", "LAD", "LQRSV", "IAVB"):
        share = np.mean([finding in diagnoses for diagnoses in drawn])
        assert share == pytest.approx(0.06, abs=0.016)
