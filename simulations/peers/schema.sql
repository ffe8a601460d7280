-- What a shop of the usual kind keeps: the same facts as Quenty's for an order of one line, in as
-- many rows. Amounts are whole cents.

CREATE TABLE customers (
    id uuid PRIMARY KEY,
    company uuid NOT NULL,
    name text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    address jsonb NOT NULL
);

CREATE TABLE products (
    id uuid PRIMARY KEY,
    company uuid NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    price bigint NOT NULL,
    weight_g integer NOT NULL,
    UNIQUE (company, sku)
);

-- The check is what refuses an order: an update that would oversell fails, and its transaction with
-- it. Room on each page keeps the updates away from the index (HOT).
CREATE TABLE stock (
    product uuid NOT NULL,
    location uuid NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (product, location),
    CHECK (reserved <= on_hand)
) WITH (fillfactor = 70);

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    company uuid NOT NULL,
    customer uuid NOT NULL,
    version bigint NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    goods bigint NOT NULL,
    freight bigint NOT NULL,
    total bigint NOT NULL,
    shipping_address jsonb NOT NULL,
    billing_address jsonb NOT NULL,
    created_at timestamptz NOT NULL
);

-- The list of a company's orders.
CREATE INDEX orders_listed ON orders (company, created_at, id);
-- A customer's orders.
CREATE INDEX orders_customer ON orders (customer, created_at);

CREATE TABLE order_lines (
    order_id uuid NOT NULL,
    line integer NOT NULL,
    product uuid NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    location uuid NOT NULL,
    quantity bigint NOT NULL,
    unit_price bigint NOT NULL,
    total bigint NOT NULL,
    weight_g integer NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- The outbox.
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company uuid NOT NULL,
    order_id uuid NOT NULL,
    name text NOT NULL,
    data text NOT NULL,
    at timestamptz NOT NULL
);

-- Idempotency keys with the answers that were given.
CREATE TABLE requests (
    company uuid NOT NULL,
    principal text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    order_id uuid NOT NULL,
    answer text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (company, principal, key)
);
