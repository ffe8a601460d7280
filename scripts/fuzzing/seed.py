"""Gives a fresh installation something to be fuzzed: a company with orders in every state.

    seed.py URL FOLDER

Signs in with QUENTY_ADMIN_EMAIL and QUENTY_ADMIN_PASSWORD, and writes into FOLDER, in the fuzzer's
form of dictionaries, the ids that requests are to hit, and the company's id.
"""

import itertools
import os
import sys
from pathlib import Path

import requests

PASSWORD = os.environ["QUENTY_ADMIN_PASSWORD"]
ADDRESS = {"lines": ["Rua Augusta 1"], "city": "São Paulo", "country": "BR"}
MONEY = {"amount": "10.00", "currency": "BRL"}
numbers = itertools.count(1)


class Client:
    def __init__(self, url, **headers):
        self.base = f"{url}/api/v1"
        self.session = requests.Session()
        self.session.headers.update(headers)

    def ask(self, method, path, body=None):
        answer = self.session.request(method, self.base + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def post(self, path, body=None):
        return self.ask("POST", path, {} if body is None else body)

    def sign_in(self, email):
        token = self.post("/auth/login", {"email": email, "password": PASSWORD})["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def ids(self, path):
        return [it["id"] for it in self.ask("GET", f"{path}?limit=100")["data"]]


def administrator(root, company):
    """The address of a new administrator of a company."""
    email = f"admin{next(numbers)}.{os.getpid()}@acme.example"
    root.session.headers["Quenty-Company"] = company
    user = {"email": email, "name": "Ada", "password": PASSWORD, "role": "admin"}
    root.post("/users", user)
    del root.session.headers["Quenty-Company"]
    return email


def orders(admin, customer, product, location):
    """Orders that stand at every step of the way, by where they stand."""
    line = {"product": product, "location": location, "quantity": 2}
    wanted = {"customer": customer, "lines": [line], "shipping_address": ADDRESS}
    steps = [
        ("draft", []),
        ("placed", []),
        ("picking", ["pick"]),
        ("packed", ["pick", "pack"]),
        ("shipped", ["pick", "pack", "ship"]),
    ]
    made = {status: [] for status, _ in steps}
    for (status, actions), _ in itertools.product(steps, range(20)):
        order = admin.post("/orders", wanted | {"draft": status == "draft"})["id"]
        for action in actions:
            body = {"parcels": [{"weight_g": 500}]} if action == "ship" else {}
            admin.post(f"/orders/{order}/{action}", body)
        if status == "shipped":
            deliver(admin, order)
        made[status].append(order)
    return made


def deliver(admin, order):
    """Goods that were delivered can come back."""
    shipment = admin.ask("GET", f"/orders/{order}")["shipments"][0]
    scan = {"code": "D", "status": "delivered", "occurred_at": "2026-01-02T08:00:00Z"}
    events = [scan | {"code": "P", "status": "picked_up", "occurred_at": "2026-01-01T08:00:00Z"}, scan]
    admin.post(f"/shipments/{shipment}/events", {"events": events})


def furnish(root, company, admin):
    location = [admin.post("/locations", {"name": f"L{n}", "address": ADDRESS})["id"] for n in range(3)]
    customer = [admin.post("/customers", {"type": "business", "name": f"C{n}"})["id"] for n in range(6)]
    for number in range(3):
        product = {"sku": f"SKU-{number}", "name": "Mug", "price": MONEY, "weight_g": 300}
        product = admin.post("/products", product)["id"]
        receipt = {"type": "receipt", "product": product, "location": location[0], "quantity": 100000}
        admin.post("/stock/movements", receipt | {"reference": f"RECEIPT-{number}"})
    for number in range(6):
        digits = {"min_length": 11, "max_length": 11, "characters": "digits", "check": "mod11_cpf"}
        kind = {"code": f"CPF-{number}", "category": "personal", "name": "CPF", "rule": digits}
        admin.post("/document-types", kind)
        admin.post("/api-keys", {"name": f"K{number}", "scopes": ["read"]})
        user = {"email": f"u{number}@acme.example", "name": "U", "password": PASSWORD, "role": "viewer"}
        admin.post("/users", user)
        root.post("/companies", {"name": f"Other {number}", "currency": "BRL"})

    parcel = {"parcels": [{"weight_g": 500}], "consignee": ADDRESS}
    parcels = [admin.post("/shipments", parcel)["id"] for _ in range(20)]
    root.ask("PATCH", f"/companies/{company}", {"settings": {"default_location": location[0]}})
    made = orders(admin, customer[0], product, location[0])
    return {"parcels": parcels} | {f"orders-{status}": ids for status, ids in made.items()}


def write(folder, name, values):
    (folder / f"{name}.dict").write_text("".join(f'"{value}"\n' for value in values))


def main(url, folder):
    root = Client(url)
    root.sign_in(os.environ["QUENTY_ADMIN_EMAIL"])
    company = root.post("/companies", {"name": "Acme", "currency": "BRL", "country": "BR"})["id"]
    email = administrator(root, company)
    admin = Client(url)
    admin.sign_in(email)
    for name, ids in furnish(root, company, admin).items():
        write(folder, name, ids)
    # Not the company and the administrator that the fuzzer itself is.
    own = admin.ask("GET", "/auth/me")["principal"]
    write(folder, "companies", [it for it in root.ids("/companies") if it != company])
    write(folder, "users", [it for it in admin.ids("/users") if it != own])
    for name in ["customers", "document-types", "locations", "products"]:
        write(folder, name, admin.ids(f"/{name}"))
    for name in ["stock", "orders", "shipments", "api-keys"]:
        write(folder, name, admin.ids(f"/{name}"))
    write(folder, "receipts", [f"RECEIPT-{number}" for number in range(3)])
    login = {"email": email, "password": PASSWORD}
    signed_in = [admin.post("/auth/login", login) for _ in range(10)]
    write(folder, "sessions", [it["session"] for it in signed_in])
    numbers = [it["tracking_number"] for it in admin.ask("GET", "/shipments")["data"]]
    write(folder, "tracking", numbers)
    watched = [f"order:{it}" for it in admin.ids("/orders")] + ["company"]
    write(folder, "topics", watched)
    write(folder, "company", [company])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
