"""What the fuzzer did, operation by operation; fails where one was left out or never succeeded.

    report.py URL STATUSES
"""

import json
import sys
from pathlib import Path

import requests

LEAST = 50
# Operations that never give a 2xx here, each with the reason.
NEVER_DONE = {
    "GET /api/v1/live": "a WebSocket, which the fuzzer does not speak: what is not one gets 400",
    "GET /api/v1/tracking/{tracking_number}/live": "as /live",
    "POST /api/v1/parked/{id}/retry": "nothing is parked, since nothing goes wrong",
}


def operations(document):
    for path, methods in document["paths"].items():
        yield from (f"{method.upper()} {path}" for method in methods)


def main(url, statuses):
    statuses = json.loads(Path(statuses).read_text())
    failures = []
    cases = 0
    for name in operations(requests.get(f"{url}/openapi.json", timeout=60).json()):
        seen = statuses.get(name, {})
        tried = sum(seen.values())
        cases += tried
        done = sum(count for status, count in seen.items() if status.startswith("2"))
        print(f"{tried:6} {name}: {', '.join(f'{count} x {it}' for it, count in sorted(seen.items()))}")
        if tried < LEAST:
            failures.append(f"{name} was tried {tried} times, fewer than {LEAST}")
        if (done == 0) != (name in NEVER_DONE):
            failures.append(f"{name} succeeded {done} times")
    print(f"{len(statuses)} operations, {cases} cases")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
