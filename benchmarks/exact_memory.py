"""Peak memory of exact enumeration: 4 × 16 latents (65,536 codes), 784-512-256, batch 100.

Runs forward and backward in a fresh process and prints the peak of its resident memory, and the
same for a REINFORCE step, which holds what torch and the model need anyway.

    python benchmarks/exact_memory.py
"""

import json
import subprocess
import sys

STEP = """
import resource, sys, torch, discretevae as dv
torch.manual_seed(0)
model = dv.DiscreteVAE((784,), 4, 16, "tutorial", estimator=sys.argv[1])
x = torch.bernoulli(torch.full((100, 784), 0.2))
for _ in range(2):
    (-model.objective(x)).mean().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def peak_gib(estimator: str) -> float:
    """Resident memory at its peak, in GiB, of a process that takes two steps."""
    printed = subprocess.run(
        [sys.executable, "-c", STEP, estimator], check=True, capture_output=True, text=True
    )
    return round(float(printed.stdout), 3)


def main() -> None:
    record = {"peak_gib": {name: peak_gib(name) for name in ("reinforce", "exact")}}
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
