"""What the fuzzer cannot know: who asks, which refusals are rules, and what counts as tried."""

import atexit
import json
import os
import threading
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import requests
import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import JsonSchemaError

from seed import PASSWORD, Client, administrator

URL = os.environ["FUZZ_URL"]


def first(name):
    return Path(f"{name}.dict").read_text().split('"')[1]


COMPANY = first("company")
THERE = {"cus_": first("customers"), "prd_": first("products"), "loc_": first("locations")}
# What undoes that they were switched off, by the refusal that tells of it.
REVIVALS = {
    "customer-blocked": f"/customers/{THERE['cus_']}/unblock",
    "product-inactive": f"/products/{THERE['prd_']}/activate",
    "location-inactive": f"/locations/{THERE['loc_']}/activate",
}
CURRENCIES = requests.get(f"{URL}/openapi.json").json()["components"]["schemas"]["Currency"]["enum"]

# What only whoever runs the installation may do.
ROOTS = ["/api/v1/companies", "/api/v1/parked", "/api/v1/auth/reset"]

# Refusals with 422 of requests that the document allows. Each is a rule that a schema cannot say.
RULES = set()
# Texts that only the server can have made, and names of what is not there.
RULES |= {"invalid-cursor", "not-found"}
# Whether a key came before is not to be seen in it.
RULES |= {"idempotency-key-reused"}
# Parameters that need or exclude one another.
RULES |= {"missing-parameter", "exclusive-parameters", "company-missing"}
# How many decimals an amount may have is up to the currency beside it; the largest amount has the
# same number of digits as larger ones.
RULES |= {"amount-too-precise", "amount-out-of-range"}
# The part before the @ has 64 characters at most, and a pattern for both bounds is not readable.
RULES |= {"invalid-email"}
# Whether a password is the right one is nobody's business before it is tried.
RULES |= {"invalid-credentials"}
# The last digit of a number of our own making is a check digit.
RULES |= {"wrong-check-digit", "tracking-number-reserved"}
# Amounts of either sign share one schema.
RULES |= {"negative-amount", "negative-price", "negative-cost", "negative-credit-limit"}
# Members that depend on one another, or on what the resource is by now.
RULES |= {"currency-mismatch", "currency-fixed", "discount-too-large", "total-out-of-range"}
RULES |= {"two-default-shipping", "two-default-billing", "role-out-of-place", "same-location"}
RULES |= {"unknown-line", "repeated-line", "quantity-too-large", "shipping-address-missing"}
RULES |= {"lengths-reversed", "check-unsuited"}
RULES |= {"parcels-missing", "reason-missing", "status-not-scannable", "location-missing"}
RULES |= {"destination-missing", "destination-misplaced"}
RULES |= {"quantity-out-of-range", "adjustment-out-of-range", "balance-out-of-range"}
RULES |= {"customer-blocked", "product-inactive", "location-inactive"}
# Times are bounded by the clock.
RULES |= {"estimate-out-of-range", "event-too-old", "event-in-the-future", "end-in-the-past"}

# Parameters that only the server can make up, and preconditions on what only it knows: made-up
# ones mask all else that is wrong or right about a request, so most are taken off.
OPAQUE = {"cursor", "after", "from", "if-match", "idempotency-key"}

lock = threading.Lock()
statuses = defaultdict(Counter)


class Callers:
    """Whoever asks. What the fuzzer breaks about them is mended: it may end their sessions and
    suspend their company, and would find all closed from then on."""

    def __init__(self):
        self.root = Client(URL)
        self.root.sign_in(os.environ["QUENTY_ADMIN_EMAIL"])
        self.admin = None

    def token(self, path):
        is_roots = any(path.startswith(root) for root in ROOTS)
        return (self.root if is_roots else self.administrator()).session.headers["Authorization"]

    def administrator(self):
        with lock:
            if self.admin is None:
                admin = Client(URL)
                admin.sign_in(administrator(self.root, COMPANY))
                self.admin = admin
            return self.admin

    def way_in(self, path):
        """Members of a body that proves who somebody is: credentials are good once, or get locked."""
        if path == "/api/v1/auth/password":
            # The next caller is another one: this one's password is tried out, or changed.
            with lock:
                self.admin = None
            return {"current_password": PASSWORD}
        if path not in ["/api/v1/auth/login", "/api/v1/auth/refresh"]:
            return {}
        with lock:
            login = {"email": administrator(self.root, COMPANY), "password": PASSWORD}
        if path.endswith("login"):
            return login
        return {"refresh_token": Client(URL).post("/auth/login", login)["refresh_token"]}

    def mend(self, code):
        if code == "session-revoked":
            with lock:
                self.admin = None
        elif code == "company-suspended":
            self.root.post(f"/companies/{COMPANY}/activate")
        elif code in REVIVALS:
            self.administrator().post(REVIVALS[code])


callers = Callers()
atexit.register(lambda: Path("statuses.json").write_text(json.dumps(statuses)))


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        return callers.token(context.operation.path)

    def set(self, case, token, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = token


def code(response):
    """The most special code of a problem."""
    try:
        problem = json.loads(response.content)
        return (problem.get("errors") or [problem])[0].get("code")
    except (ValueError, AttributeError):
        return None


@schemathesis.hook
def after_call(context, case, response):
    # Methods that there are not are tried as well, but are no cases of the operation.
    if response.request.method == case.operation.method.upper():
        with lock:
            statuses[case.operation.label][response.status_code] += 1
    callers.mend(code(response))


def is_kept(case, value):
    """One in four; the same ones each time."""
    return zlib.crc32(repr((case.operation.label, case.query, case.body, value)).encode()) % 4 == 0


def settled(value):
    """A body that names what is there, in the company's currency."""
    match value:
        case {"line": int(), "quantity": int()}:
            return value | {"line": 1, "quantity": 1}
        case dict():
            return {name: settled(it) for name, it in value.items()}
        case list():
            return [settled(it) for it in value]
        case str() if value in CURRENCIES:
            return "BRL"
        case str() if value[:4] in THERE:
            return THERE[value[:4]]
    return value


def at_fault(case):
    """The names of the parameters that were made to be wrong."""
    data = case.meta.phase.data if case.meta else None
    mutations = getattr(data, "mutations", None) or []
    return {getattr(data, "parameter", None)} | {it.parameter for it in mutations}


def has_good_body(case):
    part = case.meta and case.meta.components.get(ParameterLocation.BODY)
    return isinstance(case.body, dict) and part is not None and not part.mode.is_negative


@schemathesis.hook
def before_call(context, case, kwargs):
    """Acts in the company that has something. The fuzzer looks again at what a case is after it."""
    for values in [case.query or {}, case.headers or {}]:
        for name in (OPAQUE & {name.lower() for name in values}) - at_fault(case):
            if not is_kept(case, values[name]):
                del values[name]
    # One that it has met is a credential of its own.
    (case.query or {}).pop("ticket", None)
    # A key that came before brings back the answer of that time, whatever is wrong beside it.
    if at_fault(case) - {None, "idempotency-key"} or "if-match" in (case.headers or {}):
        (case.headers or {}).pop("idempotency-key", None)
    if "quenty-company" in (case.headers or {}) and "quenty-company" not in at_fault(case):
        case.headers["quenty-company"] = COMPANY
    if {"product", "location", "stock"} <= set(case.query or {}):
        for name in ["product", "location"] if is_kept(case, "stock") else ["stock"]:
            del case.query[name]
    if case.operation.path.endswith("/stock/movements") and "reference" in (case.query or {}):
        # It stands alone, as the stock item does.
        others = {"stock", "product", "location"} & set(case.query)
        for name in others if is_kept(case, "reference") else ["reference"]:
            del case.query[name]
    if has_good_body(case) and not is_kept(case, "body"):
        case.body = settled(case.body) | callers.way_in(case.operation.path)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What was left out at the request's own wish is no violation of the schema."""
    return not (isinstance(failure, JsonSchemaError) and "fields" in (case.query or {}))


def is_whole_number_with_a_fraction(fault):
    """JSON Schema takes 1.0 for an integer. We do not: who sends it computes in floating point."""
    return fault["code"] == "invalid-type" and "floating point" in fault["detail"]


@schemathesis.check
def refusals_of_good_data_are_rules(ctx: CheckContext, response, case):
    """422 is right for what the document allows only where a rule refuses that it cannot say."""
    if response.status_code != 422 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    problem = json.loads(response.content)
    faults = problem.get("errors") or [problem]
    said = {it["code"] for it in faults if not is_whole_number_with_a_fraction(it)}
    assert said <= RULES, f"{said - RULES} is no rule beyond the document: {problem}"
