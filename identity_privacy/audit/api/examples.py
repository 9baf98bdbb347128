"""Made-up answers for the schema, of a log of Lindwerk's; its proofs verify under the key in the key set's example."""

from typing import Final

ENTRY: Final[dict[str, object]] = {
    "id": "019dfdce-5ba8-7c52-8c2b-9f6e3a41d07b",
    "at": "2026-05-06T15:00:52.776000Z",
    "actor": {"kind": "user", "id": "019dfc1a-0d3e-7a60-9b1c-4e2f8a7d5c13"},
    "action": "request.accepted",
    "target": {"kind": "request", "id": "019dfdca-91f4-7d0e-a5b3-2c6f8e1d4a97"},
    "controller": "019d2f60-4c1b-7e35-8a90-6d3b5f2e7c18",
    "subject": "019d31b7-62e9-7b44-b1d5-8f0c3a6e9d25",
    "reason": "",
    "purpose": "",
    "origin": {"request": "019dfdce-5b9f-7e10-b6a4-3d8c1f5e2a70", "network": "203.0.113.0/24"},
    "details": {"plan": ["this-service", "shop", "mailer"]},
    "commitments": {},
}
CHECKPOINT: Final = (
    "privacy.lindwerk.example/log\n"
    "5\n"
    "WkRJa9qB/J949BnyiJ1mE8nmGbQ/bXnHuGS0gQsGFuA=\n"
    "\n"
    "— privacy.lindwerk.example/log "
    "9NcFCTBDCM6z/UOrY6ScuUkDhb1wRUYI4CSb9NzJanqKn0w7wX4otfvdUtzcvlPZ4y9VAMN6nIMjgHq89ifkBtnS6Qc=\n"
)
COSIGNED: Final = (
    CHECKPOINT + "— witness.example/w1 "
    "kAwvPAAAAABp+1en0yMOBxpu2TI4/ltcgJEwVdCausB98dOcAmrFLFaTn1Hiat3hsSgBW0kiikonhiFTHM9RXP6VaeBJO3kXrx7NDQ==\n"
)
INCLUSION: Final = [
    "2eua3VDqvuU9QWLBk58HQ2phVEqCE3OA8J6TjbbG2I8=",
    "SItM+O90+65eCX8BSTWNnOCGeGIfPFRAbymaXKB/Ung=",
    "kh2kqRzpNkYYDpteFhhlmV10cB09PnLv8wnaqMlM7/Y=",
]
CONSISTENCY: Final = [
    "ntlvgI/jWZe/VnITlRoJt+9IlPTryGjRnTyB/0FXStQ=",
    "2eua3VDqvuU9QWLBk58HQ2phVEqCE3OA8J6TjbbG2I8=",
    "SItM+O90+65eCX8BSTWNnOCGeGIfPFRAbymaXKB/Ung=",
    "kh2kqRzpNkYYDpteFhhlmV10cB09PnLv8wnaqMlM7/Y=",
]

# After a restore from a backup that held five of eight entries.
_SEEN: Final = (
    "privacy.lindwerk.example/log\n"
    "8\n"
    "US/pcjfXiDL1EgU1vj7yb0SVKp+T3wHNJyiaMIuChu0=\n"
    "\n"
    "— privacy.lindwerk.example/log "
    "9NcFCR1ZbbavO0gdEaoIeywagDLHIucCd5nFrKyuVn+Vy2kqeDN0sL21uP9pHjaOuodik0x7kisyhOHRHw0iua+8nwo=\n"
)
HAND_OVER: Final[dict[str, object]] = {
    "id": "019dfe02-7f30-7b81-9c4d-5a1e6d2f8b39",
    "at": "2026-05-06T15:57:49.744000Z",
    "actor": {"kind": "service", "id": "restore"},
    "action": "log.handed_over",
    "target": {"kind": "log", "id": "privacy.lindwerk.example/log/epoch-2"},
    "controller": None,
    "subject": None,
    "reason": "",
    "purpose": "",
    "origin": {"request": "", "network": ""},
    "details": {
        "checkpoints": [_SEEN],
        "kept": ["privacy.lindwerk.example/log 5 WkRJa9qB/J949BnyiJ1mE8nmGbQ/bXnHuGS0gQsGFuA="],
        "missing": ["privacy.lindwerk.example/log 5-7"],
    },
    "commitments": {},
}
NEXT_CHECKPOINT: Final = (
    "privacy.lindwerk.example/log/epoch-2\n"
    "2\n"
    "V3roWp4O9yAJw0d3+KW0YryHktKydUZFYj0fV3s5nxw=\n"
    "\n"
    "— privacy.lindwerk.example/log/epoch-2 "
    "4wxH4WZdyCtbuUrQ4E2S3b6NM9GOCm5Ju0cPelufGFXf48LD8O9PRhd6AsGKjLnD+vHpi0PJckm/2VxUKnbN7BtQ9wA=\n"
)
NEXT_INCLUSION: Final = ["mknBFeYHNu7q+hSvW51uvnNvh6A5PLh6LElEM3Eh61w="]
