//! The shop before the first order: tables, a customer, products with plenty in stock.

use anyhow::{Context as _, Result};
use sqlx::PgPool;
use uuid::Uuid;

/// The only company.
pub(crate) const COMPANY: Uuid = Uuid::from_u128(1);
/// Where all goods are.
pub(crate) const LOCATION: Uuid = Uuid::from_u128(2);
/// The only customer.
const CUSTOMER: Uuid = Uuid::from_u128(3);
/// As much of each product as no benchmark sells.
const ON_HAND: i64 = 1_000_000_000;

/// Fills an empty database. The id of the n-th product is the number n.
pub(crate) async fn make(pool: &PgPool, products: i64) -> Result<()> {
    sqlx::raw_sql(include_str!("../schema.sql"))
        .execute(pool)
        .await
        .context("making the tables")?;
    let address = r#"{"lines": ["Rua Dois 2"], "city": "Santos", "region": null, "postal_code": null, "country": "BR"}"#;
    sqlx::query("INSERT INTO customers VALUES ($1, $2, 'Ana', true, $3::jsonb)")
        .bind(CUSTOMER)
        .bind(COMPANY)
        .bind(address)
        .execute(pool)
        .await?;
    sqlx::query(
        "INSERT INTO products SELECT lpad(to_hex(n), 32, '0')::uuid, $1, 'SKU-' || n, \
         'Product ' || n, 990, 300 FROM generate_series(1, $2) n",
    )
    .bind(COMPANY)
    .bind(products)
    .execute(pool)
    .await?;
    sqlx::query("INSERT INTO stock SELECT id, $1, $2 FROM products")
        .bind(LOCATION)
        .bind(ON_HAND)
        .execute(pool)
        .await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(pool).await?;
    Ok(())
}
