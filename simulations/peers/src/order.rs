//! Orders: placed in one transaction, and read with one query.
//!
//! Placing takes two round trips: one statement reads what the order needs, and one that is a
//! transaction by itself locks and lowers the stock, and inserts the order, its lines, its event
//! and the answer under the idempotency key. The row lock is held for no longer than that takes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Shop;
use crate::catalogue::LOCATION;
use crate::token::Caller;

#[derive(Deserialize)]
struct New {
    customer: Uuid,
    lines: Vec<NewLine>,
}

#[derive(Deserialize)]
struct NewLine {
    product: Uuid,
    quantity: i64,
}

#[derive(Serialize)]
struct View<'a> {
    id: Uuid,
    object: &'static str,
    version: i64,
    created_at: DateTime<Utc>,
    status: &'a str,
    customer: Uuid,
    currency: &'a str,
    shipping_address: &'a RawValue,
    billing_address: &'a RawValue,
    lines: Vec<LineView<'a>>,
    goods: i64,
    freight: i64,
    total: i64,
}

#[derive(Serialize)]
struct LineView<'a> {
    line: i32,
    product: Uuid,
    sku: &'a str,
    name: &'a str,
    location: Uuid,
    quantity: i64,
    unit_price: i64,
    total: i64,
    weight_g: i32,
}

/// A product of the order, with the customer, and the key's answer if there is one.
#[derive(FromRow)]
struct Needed {
    address: Json<Box<RawValue>>,
    product: Uuid,
    sku: String,
    name: String,
    price: i64,
    weight_g: i32,
    body_hash: Option<Vec<u8>>,
    answer: Option<String>,
}

const NEEDED: &str = "
SELECT c.address, p.id AS product, p.sku, p.name, p.price, p.weight_g, r.body_hash, r.answer
FROM customers c
JOIN products p ON p.company = c.company AND p.id = ANY($3)
LEFT JOIN requests r ON r.company = $1 AND r.principal = $4 AND r.key = $5
WHERE c.company = $1 AND c.id = $2 AND c.is_active";

/// Rows of stock are locked in the order of the products, so that no two orders wait for each other.
const PLACE: &str = "
WITH wanted AS (
    SELECT s.product, w.quantity
    FROM unnest($8::uuid[], $9::bigint[]) AS w(product, quantity)
    JOIN stock s ON s.product = w.product AND s.location = $10
    ORDER BY s.product FOR UPDATE OF s
), taken AS (
    UPDATE stock s SET reserved = s.reserved + w.quantity FROM wanted w
    WHERE s.product = w.product AND s.location = $10 RETURNING s.product
), placed AS (
    INSERT INTO orders VALUES ($1, $2, $3, 1, 'confirmed', 'BRL', $4, 0, $4, $5, $5, $6)
), lines AS (
    INSERT INTO order_lines SELECT $1, n.line, n.product, n.sku, n.name, $10, n.quantity,
        n.unit_price, n.unit_price * n.quantity, n.weight_g
    FROM unnest($8::uuid[], $9::bigint[], $11::text[], $12::text[], $13::bigint[], $14::int[])
    WITH ORDINALITY AS n(product, quantity, sku, name, unit_price, weight_g, line)
), event AS (
    INSERT INTO events (company, order_id, name, data, at)
    VALUES ($2, $1, 'order.confirmed', $7, $6)
), key AS (
    INSERT INTO requests VALUES ($2, $15, $16, $17, $1, $7, $6)
)
SELECT count(*) FROM taken";

/// An order as it is written.
struct Order {
    id: Uuid,
    new: New,
    at: DateTime<Utc>,
    total: i64,
    needed: Vec<Needed>,
}

/// `POST /orders`
pub(crate) async fn create(
    State(shop): State<Arc<Shop>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    let key = headers.get("idempotency-key");
    let key = key
        .and_then(|key| key.to_str().ok())
        .ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let new: New = serde_json::from_slice(&body).map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)?;
    let hash = Sha256::digest(&body).to_vec();
    let products: Vec<Uuid> = new.lines.iter().map(|line| line.product).collect();
    let needed: Vec<Needed> = sqlx::query_as(NEEDED)
        .bind(caller.company)
        .bind(new.customer)
        .bind(products)
        .bind(caller.principal())
        .bind(key)
        .fetch_all(&shop.pool)
        .await
        .map_err(failed)?;
    match needed.first() {
        None => return Err(StatusCode::UNPROCESSABLE_ENTITY),
        Some(Needed {
            body_hash: Some(known),
            answer: Some(answer),
            ..
        }) => {
            return if *known == hash {
                Ok(json(StatusCode::CREATED, answer.clone()))
            } else {
                Err(StatusCode::UNPROCESSABLE_ENTITY)
            };
        }
        Some(_) => {}
    }
    let order = Order::of(new, needed).ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let answer = order.answer()?;
    order.place(&shop, &caller, key, &hash, &answer).await?;
    Ok(json(StatusCode::CREATED, answer))
}

impl Order {
    /// The order with its products in the order of its lines; none if one does not exist.
    fn of(new: New, needed: Vec<Needed>) -> Option<Self> {
        let mut by_id: HashMap<_, _> = needed.into_iter().map(|it| (it.product, it)).collect();
        let needed: Option<Vec<_>> = new
            .lines
            .iter()
            .map(|line| by_id.remove(&line.product))
            .collect();
        let needed = needed?;
        let totals = new.lines.iter().zip(&needed);
        Some(Self {
            id: Uuid::now_v7(),
            at: Utc::now(),
            total: totals.map(|(line, it)| line.quantity * it.price).sum(),
            new,
            needed,
        })
    }

    fn answer(&self) -> Result<String, StatusCode> {
        let address = &*self.needed[0].address.0;
        let lines = (1..).zip(self.new.lines.iter().zip(&self.needed));
        let view = View {
            id: self.id,
            object: "order",
            version: 1,
            created_at: self.at,
            status: "confirmed",
            customer: self.new.customer,
            currency: "BRL",
            shipping_address: address,
            billing_address: address,
            lines: lines
                .map(|(number, (line, it))| LineView {
                    line: number,
                    product: line.product,
                    sku: &it.sku,
                    name: &it.name,
                    location: LOCATION,
                    quantity: line.quantity,
                    unit_price: it.price,
                    total: it.price * line.quantity,
                    weight_g: it.weight_g,
                })
                .collect(),
            goods: self.total,
            freight: 0,
            total: self.total,
        };
        serde_json::to_string(&view).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn place(
        &self,
        shop: &Shop,
        caller: &Caller,
        key: &str,
        hash: &[u8],
        answer: &str,
    ) -> Result<(), StatusCode> {
        let (lines, needed) = (&self.new.lines, &self.needed);
        let taken: i64 = sqlx::query_scalar(PLACE)
            .bind(self.id)
            .bind(caller.company)
            .bind(self.new.customer)
            .bind(self.total)
            .bind(&needed[0].address)
            .bind(self.at)
            .bind(answer)
            .bind(column(lines, |line| line.product))
            .bind(column(lines, |line| line.quantity))
            .bind(LOCATION)
            .bind(column(needed, |it| it.sku.as_str()))
            .bind(column(needed, |it| it.name.as_str()))
            .bind(column(needed, |it| it.price))
            .bind(column(needed, |it| it.weight_g))
            .bind(caller.principal())
            .bind(key)
            .bind(hash)
            .fetch_one(&shop.pool)
            .await
            .map_err(failed)?;
        // Products and stock are made together: a line without stock is a broken catalogue.
        let is_whole = usize::try_from(taken) == Ok(lines.len());
        is_whole
            .then_some(())
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn column<'r, R, C>(rows: &'r [R], cell: impl Fn(&'r R) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

#[derive(FromRow)]
struct Stored {
    version: i64,
    created_at: DateTime<Utc>,
    status: String,
    customer: Uuid,
    currency: String,
    shipping_address: Json<Box<RawValue>>,
    billing_address: Json<Box<RawValue>>,
    goods: i64,
    freight: i64,
    total: i64,
    line: i32,
    product: Uuid,
    sku: String,
    name: String,
    location: Uuid,
    quantity: i64,
    unit_price: i64,
    line_total: i64,
    weight_g: i32,
}

const GET: &str = "
SELECT o.version, o.created_at, o.status, o.customer, o.currency, o.shipping_address,
    o.billing_address, o.goods, o.freight, o.total, l.line, l.product, l.sku, l.name, l.location,
    l.quantity, l.unit_price, l.total AS line_total, l.weight_g
FROM orders o JOIN order_lines l ON l.order_id = o.id
WHERE o.id = $1 AND o.company = $2 ORDER BY l.line";

/// `GET /orders/{id}`
pub(crate) async fn get(
    State(shop): State<Arc<Shop>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Response, StatusCode> {
    let rows: Vec<Stored> = sqlx::query_as(GET)
        .bind(id)
        .bind(caller.company)
        .fetch_all(&shop.pool)
        .await
        .map_err(failed)?;
    let order = rows.first().ok_or(StatusCode::NOT_FOUND)?;
    let view = View {
        id,
        object: "order",
        version: order.version,
        created_at: order.created_at,
        status: &order.status,
        customer: order.customer,
        currency: &order.currency,
        shipping_address: &order.shipping_address.0,
        billing_address: &order.billing_address.0,
        lines: rows.iter().map(line_view).collect(),
        goods: order.goods,
        freight: order.freight,
        total: order.total,
    };
    let body = serde_json::to_string(&view).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(json(StatusCode::OK, body))
}

fn line_view(row: &Stored) -> LineView<'_> {
    LineView {
        line: row.line,
        product: row.product,
        sku: &row.sku,
        name: &row.name,
        location: row.location,
        quantity: row.quantity,
        unit_price: row.unit_price,
        total: row.line_total,
        weight_g: row.weight_g,
    }
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn failed(error: sqlx::Error) -> StatusCode {
    let database = error.as_database_error();
    // More than there is, or the key's first request is under way.
    if database.is_some_and(|it| it.is_check_violation() || it.is_unique_violation()) {
        return StatusCode::CONFLICT;
    }
    eprintln!("peer: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}
