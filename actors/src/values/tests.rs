//! Tests of the values: what they accept, how they print, and that nothing panics.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn code<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
    let printed = serde_json::from_value::<T>(value).unwrap_err().to_string();
    let code = Invalid::split(&printed).map(|(code, _)| code.to_owned());
    code.unwrap_or(printed)
}

fn reads<T: DeserializeOwned + Serialize>(value: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap()
}

fn currency(code: &str) -> Currency {
    Currency::new(code).unwrap()
}

fn money(amount: &str, code: &str) -> Money {
    Money::parse(amount, currency(code)).unwrap()
}

#[test]
fn money_prints_with_the_decimals_of_its_currency() {
    for (amount, code, printed) in [
        ("12.3", "BRL", "12.30 BRL"),
        ("-0.00", "BRL", "0.00 BRL"),
        ("12", "JPY", "12 JPY"),
        ("0.5", "BHD", "0.500 BHD"),
        ("-1000000000000000", "EUR", "-1000000000000000.00 EUR"),
    ] {
        assert_eq!(money(amount, code).to_string(), printed);
    }
}

#[test]
fn money_is_a_decimal_string_and_a_currency() {
    let price = json!({"amount": "12.34", "currency": "BRL"});
    assert_eq!(reads::<Money>(&price), price);
    let refused = |amount: Value| code::<Money>(json!({"amount": amount, "currency": "BRL"}));
    assert!(refused(json!(12.34)).contains("expected a string"));
    for text in [
        "", "-", ".5", "5.", "+1", "01", "1e28", "1,5", " 1", "NaN", "٣", "1.2.3", "--1",
    ] {
        assert_eq!(refused(json!(text)), "invalid-amount", "{text}");
    }
    assert_eq!(refused(json!("12.345")), "amount-too-precise");
    assert_eq!(refused(json!("1000000000000000.01")), "amount-out-of-range");
    assert_eq!(refused(json!("9".repeat(10_000))), "amount-out-of-range");
    assert_eq!(
        refused(json!(format!("0.{}", "9".repeat(60)))),
        "amount-out-of-range"
    );
    let unknown = json!({"amount": "1", "currency": "BRL", "scale": 2});
    assert!(code::<Money>(unknown).contains("unknown field"));
}

#[test]
fn money_does_not_mix_currencies_or_pass_its_bound() {
    let most = money("1000000000000000", "BRL");
    let cent = money("0.01", "BRL");
    assert_eq!(
        most.checked_add(cent).unwrap_err().code,
        "amount-out-of-range"
    );
    assert_eq!(
        most.checked_mul(u32::MAX).unwrap_err().code,
        "amount-out-of-range"
    );
    let euro = money("1", "EUR");
    assert_eq!(
        cent.checked_add(euro).unwrap_err().code,
        "currency-mismatch"
    );
    assert_eq!(
        cent.checked_sub(euro).unwrap_err().code,
        "currency-mismatch"
    );
    assert!(cent.checked_sub(most).unwrap().is_negative());
    assert!(!cent.checked_sub(cent).unwrap().is_negative());
}

#[test]
fn a_currency_has_a_minor_unit() {
    assert_eq!(currency("BHD").decimals(), 3);
    assert_eq!(currency("JPY").decimals(), 0);
    for text in ["XAU", "XXX", "brl", "ZZZ", "", "BRLL"] {
        assert_eq!(code::<Currency>(json!(text)), "unknown-currency", "{text}");
    }
}

#[test]
fn numbers_are_whole_and_bounded() {
    for number in [json!(0), json!(1_000_001)] {
        assert_eq!(code::<Quantity>(number), "quantity-out-of-range");
    }
    assert_eq!(reads::<Quantity>(&json!(1_000_000)), json!(1_000_000));
    for number in [
        json!(-1),
        json!(1.5),
        json!("1"),
        json!(1u64 << 63),
        json!(1e28),
        json!(null),
    ] {
        assert!(
            serde_json::from_value::<Quantity>(number.clone()).is_err(),
            "{number}"
        );
    }
    assert_eq!(code::<Weight>(json!(0)), "weight-out-of-range");
    assert_eq!(code::<Length>(json!(100_001)), "length-out-of-range");
    let thin = json!({"length_mm": 1, "width_mm": 1, "height_mm": 0});
    assert_eq!(code::<Dimensions>(thin), "length-out-of-range");
}

#[test]
fn texts_are_normalised_or_refused() {
    assert_eq!(Sku::new("mug-red/03").unwrap().as_str(), "MUG-RED/03");
    assert_eq!(Name::new("  Ana \u{a0}").unwrap().as_str(), "Ana");
    assert_eq!(
        Email::new("Ana.B+x@Example.COM").unwrap().as_str(),
        "ana.b+x@example.com"
    );
    assert!(Email::new("admin@localhost").is_ok());
    assert!(Text::<3>::new("äöü").is_ok());
    assert!(Reference::new("nº 4711/B").is_ok());
    for email in [
        "", "a", "@b.c", "a@", "a@b..c", ".a@b.c", "a b@c.d", "a@-b.c", "a@b@c", "ä@b.c", "a@b.c\n",
    ] {
        assert_eq!(code::<Email>(json!(email)), "invalid-email", "{email}");
    }
    for sku in ["", "A B", "A\tB", "É", "A\0", &"A".repeat(65)] {
        assert_eq!(code::<Sku>(json!(sku)), "invalid-sku", "{sku}");
    }
    for reference in ["", " a", "a ", &"ä".repeat(101)] {
        assert_eq!(
            code::<Reference>(json!(reference)),
            "invalid-reference",
            "{reference}"
        );
    }
    for phone in [
        "",
        "+",
        "5511912345678",
        "+0123456789",
        "+123456",
        "+1234567890123456",
        "+55 11 91234",
    ] {
        assert_eq!(code::<Phone>(json!(phone)), "invalid-phone", "{phone}");
    }
    for hs_code in ["12345", "12345678901", "6911.10", "٣٣٣٣٣٣"] {
        assert_eq!(
            code::<HsCode>(json!(hs_code)),
            "invalid-hs-code",
            "{hs_code}"
        );
    }
    for country in ["", "br", "BRA", "ZZ", "B\0"] {
        assert_eq!(
            code::<CountryCode>(json!(country)),
            "unknown-country",
            "{country}"
        );
    }
    assert_eq!(
        reads::<TimeZone>(&json!("America/Sao_Paulo")),
        json!("America/Sao_Paulo")
    );
    assert_eq!(code::<TimeZone>(json!("Mars/Olympus")), "unknown-time-zone");
}

#[test]
fn no_text_has_control_characters() {
    for text in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b"] {
        assert_eq!(code::<Name>(json!(text)), "control-character");
        assert_eq!(code::<Reference>(json!(text)), "control-character");
        assert_eq!(code::<Metadata>(json!({"key": text})), "control-character");
        assert_eq!(
            code::<Metadata>(json!({text: "value"})),
            "control-character"
        );
    }
}

#[test]
fn metadata_is_bounded() {
    let pairs = |count: usize| -> BTreeMap<String, String> {
        (0..count)
            .map(|at| (at.to_string(), String::new()))
            .collect()
    };
    assert!(Metadata::new(pairs(20)).is_ok());
    assert_eq!(code::<Metadata>(json!(pairs(21))), "too-much-metadata");
    assert_eq!(code::<Metadata>(json!({"": "x"})), "invalid-metadata");
    assert_eq!(
        code::<Metadata>(json!({"k".repeat(41): "x"})),
        "invalid-metadata"
    );
    assert_eq!(
        code::<Metadata>(json!({"k": "x".repeat(501)})),
        "invalid-metadata"
    );
    assert!(serde_json::from_value::<Metadata>(json!({"k": 1})).is_err());
}

#[test]
fn an_address_needs_a_line_a_city_and_a_country() {
    let address = json!({"lines": ["Rua A 1"], "city": "Recife", "country": "BR"});
    let nothing = json!({"name": null, "region": null, "postal_code": null, "phone": null});
    let mut whole = address.clone();
    whole
        .as_object_mut()
        .unwrap()
        .extend(nothing.as_object().unwrap().clone());
    assert_eq!(reads::<Address>(&address), whole);
    let with = |name: &str, value: Value| {
        let mut address = address.clone();
        address[name] = value;
        code::<Address>(address)
    };
    assert_eq!(with("lines", json!([])), "invalid-length");
    assert_eq!(
        with("lines", json!(["1", "2", "3", "4", "5"])),
        "invalid-length"
    );
    assert_eq!(with("country", json!("ZZ")), "unknown-country");
    assert!(with("street", json!("x")).contains("unknown field"));
}

#[test]
fn a_patch_tells_null_from_left_out() {
    #[derive(serde::Deserialize)]
    struct Patch {
        #[serde(default, deserialize_with = "given")]
        name: Option<Name>,
        #[serde(default, deserialize_with = "given")]
        phone: Option<Option<Phone>>,
    }
    let patch = |value| serde_json::from_value::<Patch>(value);
    assert!(patch(json!({})).is_ok_and(|patch| patch.name.is_none() && patch.phone.is_none()));
    assert_eq!(patch(json!({"phone": null})).unwrap().phone, Some(None));
    assert!(patch(json!({"name": null})).is_err());
}

#[test]
fn schemas_have_names_of_their_own() {
    use utoipa::ToSchema;
    let mut schemas = Vec::new();
    Address::schemas(&mut schemas);
    let names: Vec<_> = schemas.into_iter().map(|(name, _)| name).collect();
    for name in ["Text200", "Text100", "Text20", "CountryCode", "Phone"] {
        assert!(
            names.iter().any(|there| there == name),
            "{name} of {names:?}"
        );
    }
}

fn any_money() -> impl Strategy<Value = Money> {
    let codes = prop::sample::select(vec!["BRL", "JPY", "BHD", "CLF"]);
    (
        codes,
        -1_000_000_000_000_000_000i64..=1_000_000_000_000_000_000,
    )
        .prop_filter_map("within the bound", |(code, minor)| {
            let currency = currency(code);
            Money::new(Decimal::new(minor, currency.decimals()), currency).ok()
        })
}

/// The amount in minor units, read from the printed form: an arithmetic of its own.
fn minor(money: Money) -> i128 {
    money.amount().to_string().replace('.', "").parse().unwrap()
}

proptest! {
    #[test]
    fn money_reads_back(money in any_money()) {
        prop_assert_eq!(reads::<Money>(&json!(money)), json!(money));
        prop_assert_eq!(Money::parse(&money.amount().to_string(), money.currency()), Ok(money));
        prop_assert_eq!(money.is_negative(), minor(money) < 0);
    }

    #[test]
    fn money_is_exact(left in any_money(), right in any_money(), times in 0u32..=1_000_000) {
        if let Ok(sum) = left.checked_add(right) {
            prop_assert_eq!(minor(sum), minor(left) + minor(right));
            prop_assert_eq!(sum.checked_sub(right), Ok(left));
        }
        match left.checked_mul(times) {
            Ok(product) => prop_assert_eq!(minor(product), minor(left) * i128::from(times)),
            Err(invalid) => prop_assert_eq!(invalid.code, "amount-out-of-range"),
        }
    }

    #[test]
    fn what_is_accepted_prints_as_it_reads(text in r"(\PC|[\x00-\x20@.+-]){0,70}") {
        macro_rules! check {
            ($($value:ty)*) => {$(
                if let Ok(value) = text.parse::<$value>() {
                    let printed = value.to_string();
                    prop_assert_eq!(printed.parse::<$value>().unwrap(), value);
                    prop_assert!(!printed.contains(char::is_control));
                }
            )*};
        }
        check!(Sku Reference Name Text<5> Email Phone HsCode CountryCode Currency TimeZone);
        let _ = Money::parse(&text, currency("BRL"));
    }

    #[test]
    fn likely_texts_read_back(
        sku in "[!-~]{1,64}",
        email in "[a-zA-Z0-9_+]{1,64}@[a-zA-Z0-9]{1,63}(\\.[a-z]{2,5}){0,3}",
        phone in "\\+[1-9][0-9]{6,14}",
        hs_code in "[0-9]{6,10}",
    ) {
        prop_assert_eq!(Sku::new(&sku).unwrap().to_string(), sku.to_ascii_uppercase());
        prop_assert_eq!(Email::new(&email).unwrap().to_string(), email.to_ascii_lowercase());
        prop_assert_eq!(Phone::new(&phone).unwrap().to_string(), phone);
        prop_assert_eq!(HsCode::new(&hs_code).unwrap().to_string(), hs_code);
    }
}

#[test]
fn times_are_written_with_milliseconds_also_when_there_are_none() {
    let written = |text: &str| {
        let time = text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        milliseconds(&time, serde_json::value::Serializer).unwrap()
    };
    assert_eq!(written("2026-01-31T12:00:00Z"), "2026-01-31T12:00:00.000Z");
    assert_eq!(
        written("2026-01-31T12:00:00.1234+01:00"),
        "2026-01-31T11:00:00.123Z"
    );
}
