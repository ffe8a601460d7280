//! The rows of the Olist files as they are written.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::America::Sao_Paulo;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::data::Status;
use super::tally::Tally;

#[derive(Deserialize)]
pub(super) struct OrderRow {
    pub(super) order_id: String,
    pub(super) customer_id: String,
    pub(super) order_status: Status,
    #[serde(deserialize_with = "local")]
    pub(super) order_purchase_timestamp: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "local")]
    pub(super) order_approved_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "local")]
    pub(super) order_delivered_carrier_date: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "local")]
    pub(super) order_delivered_customer_date: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "local")]
    pub(super) order_estimated_delivery_date: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
pub(super) struct ItemRow {
    pub(super) order_id: String,
    pub(super) product_id: String,
    pub(super) seller_id: String,
    pub(super) price: Decimal,
    pub(super) freight_value: Decimal,
}

#[derive(Deserialize)]
pub(super) struct ProductRow {
    pub(super) product_id: String,
    pub(super) product_category_name: Option<String>,
    pub(super) product_weight_g: Option<Decimal>,
    pub(super) product_length_cm: Option<Decimal>,
    pub(super) product_height_cm: Option<Decimal>,
    pub(super) product_width_cm: Option<Decimal>,
}

#[derive(Deserialize)]
pub(super) struct CustomerRow {
    pub(super) customer_id: String,
    pub(super) customer_unique_id: String,
    pub(super) customer_zip_code_prefix: String,
    pub(super) customer_city: String,
    pub(super) customer_state: String,
}

#[derive(Deserialize)]
pub(super) struct SellerRow {
    pub(super) seller_id: String,
    pub(super) seller_city: String,
}

#[derive(Deserialize)]
pub(super) struct PaymentRow {
    pub(super) order_id: String,
    pub(super) payment_value: Decimal,
}

#[derive(Deserialize)]
pub(super) struct TranslationRow {
    pub(super) product_category_name: String,
    pub(super) product_category_name_english: String,
}

/// All rows of a file that can be read; the others are counted.
pub(super) fn rows<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
    faults: &mut Tally,
) -> Result<Vec<T>> {
    let path = folder.join(name);
    let reading = || format!("reading {}", path.display());
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut reader = csv::Reader::from_reader(file);
    // Asked for first, since the reader goes on without a header that it fails to read.
    reader.headers().with_context(reading)?;
    let mut rows = Vec::new();
    for row in reader.deserialize() {
        match row {
            Ok(row) => rows.push(row),
            // Nothing comes after this one: the rest would be left out unnoticed.
            Err(error) if error.is_io_error() => return Err(error).with_context(reading),
            Err(_) => faults.count(format!("row of {name} that cannot be read, left out")),
        }
    }
    Ok(rows)
}

fn local<'de, D: Deserializer<'de>>(field: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(field)? else {
        return Ok(None);
    };
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
        .map(|time| Some(in_sao_paulo(time)))
        .map_err(serde::de::Error::custom)
}

/// Clocks that were put forward at midnight leave out an hour, and promises fall on midnight.
fn in_sao_paulo(time: NaiveDateTime) -> DateTime<Utc> {
    let at = |time: NaiveDateTime| Sao_Paulo.from_local_datetime(&time).earliest();
    at(time)
        .or_else(|| at(time + TimeDelta::hours(1)))
        .map_or_else(|| time.and_utc(), |time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rows of a file of these bytes, if it reads.
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<Vec<T>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rows.csv"), bytes).unwrap();
        rows(folder.path(), "rows.csv", &mut Tally::default()).ok()
    }

    const ORDERS: &str = "order_id,customer_id,order_status,order_purchase_timestamp,\
        order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,\
        order_estimated_delivery_date\n";

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_none(bytes: Vec<u8>, row in "[a-z0-9,.\"\n +:-]{0,120}") {
            for text in [&bytes, row.as_bytes()] {
                let _ = (read::<OrderRow>(text), read::<ItemRow>(text), read::<ProductRow>(text));
                let head = b"order_id,payment_value\n";
                let _ = read::<PaymentRow>(&[head, text].concat());
                let _ = read::<OrderRow>(&[ORDERS.as_bytes(), text].concat());
            }
        }

        #[test]
        fn any_year_is_a_time_or_none(year in "[+-]?[0-9]{1,7}", hour in 0..25) {
            let row = format!("o,c,created,{year}-10-15 {hour:02}:00:00,,,,\n");
            let _ = read::<OrderRow>(format!("{ORDERS}{row}").as_bytes());
        }

        #[test]
        fn what_was_written_reads_back(cities in prop::collection::vec(("\\PC{1,9}", ".{0,20}"), 0..9)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["seller_id", "seller_city"]).unwrap();
            for (id, city) in &cities {
                writer.write_record([id, city]).unwrap();
            }
            let rows: Vec<SellerRow> = read(&writer.into_inner().unwrap()).unwrap();
            let rows = rows.into_iter().map(|row| (row.seller_id, row.seller_city));
            prop_assert_eq!(Vec::from_iter(rows), cities);
        }
    }

    fn utc(text: &str) -> String {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        in_sao_paulo(time).to_rfc3339()
    }

    #[test]
    fn a_broken_row_is_counted_and_those_after_it_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"order_id,payment_value\na,1.50\nb,much\nc\nd\xff,1\ne,2\n";
        std::fs::write(folder.path().join("paid.csv"), text).unwrap();
        let mut faults = Tally::default();
        let rows: Vec<PaymentRow> = rows(folder.path(), "paid.csv", &mut faults).unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.order_id.as_str()).collect();
        assert_eq!(ids, ["a", "e"]);
        let found: Vec<_> = faults.iter().collect();
        assert_eq!(
            found,
            [("row of paid.csv that cannot be read, left out", 3)]
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_at_all_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut faults = Tally::default();
        assert!(rows::<PaymentRow>(folder.path(), "paid.csv", &mut faults).is_err());
        // A folder can be opened but not read.
        std::fs::create_dir(folder.path().join("paid.csv")).unwrap();
        assert!(rows::<PaymentRow>(folder.path(), "paid.csv", &mut faults).is_err());
    }

    #[test]
    fn times_are_those_of_sao_paulo_with_its_summer_time() {
        assert_eq!(utc("2017-07-09 21:57:05"), "2017-07-10T00:57:05+00:00");
        assert_eq!(utc("2018-01-09 21:57:05"), "2018-01-09T23:57:05+00:00");
        // Midnight of the night in which summer time began: there was none.
        assert_eq!(utc("2017-10-15 00:00:00"), "2017-10-15T03:00:00+00:00");
    }
}
