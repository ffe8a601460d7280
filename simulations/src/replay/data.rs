//! Reads the public Olist data set: orders of a Brazilian marketplace, 2016 to 2018.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Result;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::rows::{
    CustomerRow, ItemRow, OrderRow, PaymentRow, ProductRow, SellerRow, TranslationRow, rows,
};
use super::tally::Tally;

/// What was read.
#[derive(Debug)]
pub struct Data {
    /// The orders, as they were bought one after the other.
    pub orders: Vec<Order>,
    /// The products by their id in the data.
    pub products: BTreeMap<String, Product>,
    /// Rows that cannot be read, or do not fit the others.
    pub faults: Tally,
}

/// Where the data says that an order stood when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Bought.
    Created,
    /// Paid.
    Approved,
    /// Being prepared.
    Processing,
    /// Prepared, with its invoice.
    Invoiced,
    /// With the carrier.
    Shipped,
    /// With the customer.
    Delivered,
    /// Called off.
    Canceled,
    /// Could not be supplied.
    Unavailable,
}

/// An order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its id in the data.
    pub id: String,
    /// Who bought.
    pub customer: Customer,
    /// Where it stood in the end.
    pub status: Status,
    /// When it was bought.
    pub purchased: DateTime<Utc>,
    /// When its payment was approved.
    pub approved: Option<DateTime<Utc>>,
    /// When the carrier got it.
    pub handed_over: Option<DateTime<Utc>>,
    /// When the customer got it.
    pub delivered: Option<DateTime<Utc>>,
    /// When it was promised for.
    pub promised: Option<DateTime<Utc>>,
    /// What was bought: one line per piece.
    pub lines: Vec<Line>,
    /// What was paid, freight included.
    pub paid: Decimal,
}

/// Who bought, and where they lived then.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The person: the data has another customer id per order.
    pub person: String,
    /// The first five digits of the postcode.
    pub postcode: String,
    /// The city.
    pub city: String,
    /// The state.
    pub state: String,
}

/// One piece of a product.
#[derive(Clone, Debug)]
pub struct Line {
    /// The product's id in the data.
    pub product: String,
    /// Where it was sent from.
    pub seller_city: Option<String>,
    /// Its price in BRL.
    pub price: Decimal,
    /// Its freight in BRL.
    pub freight: Decimal,
}

/// A product.
#[derive(Clone, Debug, Default)]
pub struct Product {
    /// Its category, in English if there is a translation.
    pub category: Option<String>,
    /// Its weight in grams.
    pub weight_g: Option<u32>,
    /// Length, width and height in millimetres.
    pub dimensions_mm: Option<[u32; 3]>,
}

/// Reads the files of a folder.
///
/// # Errors
/// When one of them is missing or cannot be read. A broken row is left out and counted.
pub fn read(folder: &Path) -> Result<Data> {
    let mut faults = Tally::default();
    let products = products(folder, &mut faults)?;
    let mut lines = lines(folder, &products, &mut faults)?;
    let mut paid = payments(folder, &mut faults)?;
    let customers = customers(folder, &mut faults)?;
    let mut orders = Vec::new();
    for row in rows::<OrderRow>(folder, "olist_orders_dataset.csv", &mut faults)? {
        let customer = customers.get(&row.customer_id);
        let (Some(customer), Some(purchased)) = (customer, row.order_purchase_timestamp) else {
            faults.count("order without a customer or a time of purchase, left out");
            continue;
        };
        orders.push(Order {
            customer: customer.clone(),
            status: row.order_status,
            purchased,
            approved: row.order_approved_at,
            handed_over: row.order_delivered_carrier_date,
            delivered: row.order_delivered_customer_date,
            promised: row.order_estimated_delivery_date,
            lines: lines.remove(&row.order_id).unwrap_or_default(),
            paid: paid.remove(&row.order_id).unwrap_or_default(),
            id: row.order_id,
        });
    }
    orders.sort_by(|one, other| (one.purchased, &one.id).cmp(&(other.purchased, &other.id)));
    faults.count_many("order line without its order, left out", lines.len());
    faults.count_many("payment without its order, left out", paid.len());
    Ok(Data {
        orders,
        products,
        faults,
    })
}

fn products(folder: &Path, faults: &mut Tally) -> Result<BTreeMap<String, Product>> {
    let translations: HashMap<_, _> =
        rows::<TranslationRow>(folder, "product_category_name_translation.csv", faults)?
            .into_iter()
            .map(|row| (row.product_category_name, row.product_category_name_english))
            .collect();
    let rows = rows::<ProductRow>(folder, "olist_products_dataset.csv", faults)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.product_id.clone(), product(row, &translations, faults)))
        .collect())
}

fn product(row: ProductRow, translations: &HashMap<String, String>, faults: &mut Tally) -> Product {
    let category = row.product_category_name.map(|name| {
        translations.get(&name).cloned().unwrap_or_else(|| {
            faults.count("category without a translation, kept in Portuguese");
            name
        })
    });
    let sides = [
        row.product_length_cm,
        row.product_width_cm,
        row.product_height_cm,
    ]
    .map(|side| side.and_then(|side| measure(side * Decimal::TEN)));
    let product = Product {
        category,
        weight_g: row.product_weight_g.and_then(measure),
        dimensions_mm: match sides {
            [Some(length), Some(width), Some(height)] => Some([length, width, height]),
            _ => None,
        },
    };
    for (is_missing, what) in [
        (product.category.is_none(), "product without a category"),
        (product.weight_g.is_none(), "product without a weight"),
        (
            product.dimensions_mm.is_none(),
            "product without dimensions",
        ),
    ] {
        faults.count_many(what, usize::from(is_missing));
    }
    product
}

/// Whole units, rounded; nothing weighs or measures 0.
fn measure(value: Decimal) -> Option<u32> {
    u32::try_from(value.round()).ok().filter(|value| *value > 0)
}

fn lines(
    folder: &Path,
    products: &BTreeMap<String, Product>,
    faults: &mut Tally,
) -> Result<HashMap<String, Vec<Line>>> {
    let cities: HashMap<_, _> = rows::<SellerRow>(folder, "olist_sellers_dataset.csv", faults)?
        .into_iter()
        .map(|row| (row.seller_id, row.seller_city))
        .collect();
    let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
    for row in rows::<ItemRow>(folder, "olist_order_items_dataset.csv", faults)? {
        if !products.contains_key(&row.product_id) {
            faults.count("order line of an unknown product, left out");
            continue;
        }
        lines.entry(row.order_id).or_default().push(Line {
            product: row.product_id,
            seller_city: cities.get(&row.seller_id).cloned(),
            price: row.price,
            freight: row.freight_value,
        });
    }
    Ok(lines)
}

fn customers(folder: &Path, faults: &mut Tally) -> Result<HashMap<String, Customer>> {
    let rows = rows::<CustomerRow>(folder, "olist_customers_dataset.csv", faults)?;
    let customer = |row: CustomerRow| {
        let customer = Customer {
            person: row.customer_unique_id,
            postcode: row.customer_zip_code_prefix,
            city: row.customer_city,
            state: row.customer_state,
        };
        (row.customer_id, customer)
    };
    Ok(rows.into_iter().map(customer).collect())
}

fn payments(folder: &Path, faults: &mut Tally) -> Result<HashMap<String, Decimal>> {
    let mut paid: HashMap<String, Decimal> = HashMap::new();
    for row in rows::<PaymentRow>(folder, "olist_order_payments_dataset.csv", faults)? {
        *paid.entry(row.order_id).or_default() += row.payment_value;
    }
    Ok(paid)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// One good order, one broken order row, and what belongs to orders that are not there.
    const FILES: [(&str, &str); 7] = [
        (
            "product_category_name_translation.csv",
            "product_category_name,product_category_name_english\nlivros,books\n",
        ),
        (
            "olist_products_dataset.csv",
            "product_id,product_category_name,product_weight_g,product_length_cm,\
             product_height_cm,product_width_cm\np1,livros,300,16,2,11\n",
        ),
        (
            "olist_sellers_dataset.csv",
            "seller_id,seller_city\ns1,campinas\n",
        ),
        (
            "olist_order_items_dataset.csv",
            "order_id,product_id,seller_id,price,freight_value\n\
             o1,p1,s1,10,1\no2,p1,s1,10,1\n",
        ),
        (
            "olist_order_payments_dataset.csv",
            "order_id,payment_value\no1,5\no1,6\no2,11\no3,7\n",
        ),
        (
            "olist_customers_dataset.csv",
            "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,\
             customer_state\nc1,u1,13010,campinas,SP\n",
        ),
        (
            "olist_orders_dataset.csv",
            "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,\
             order_delivered_carrier_date,order_delivered_customer_date,\
             order_estimated_delivery_date\n\
             o2,c1,lost,2018-01-09 21:57:05,,,,\no1,c1,created,2018-01-09 21:57:05,,,,\n",
        ),
    ];

    #[test]
    fn what_is_broken_or_fits_no_order_is_left_out_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in FILES {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let data = read(folder.path()).unwrap();
        let orders: Vec<_> = data.orders.iter().map(|it| (&*it.id, it.paid)).collect();
        assert_eq!(orders, [("o1", Decimal::from(11))]);
        let faults: Vec<_> = data.faults.iter().collect();
        assert_eq!(
            faults,
            [
                ("order line without its order, left out", 1),
                ("payment without its order, left out", 2),
                (
                    "row of olist_orders_dataset.csv that cannot be read, left out",
                    1
                ),
            ]
        );
    }

    #[test]
    fn centimetres_become_millimetres_and_nothing_measures_zero() {
        assert_eq!(measure(Decimal::new(165, 1) * Decimal::TEN), Some(165));
        assert_eq!(measure(Decimal::ZERO), None);
    }
}
