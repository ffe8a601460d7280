//! Amounts of money: exact, in one currency, bounded.

use std::fmt;

use rust_decimal::Decimal;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{Currency, Invalid};

/// No amount is larger than 10^15 major units: beyond any order, and far inside what [`Decimal`]
/// holds exactly, so that a bounded amount times a bounded quantity cannot overflow.
const LIMIT: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);

/// An amount of money of any sign, with exactly the decimals of its currency's minor unit. In JSON
/// the amount is a decimal string, never a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(try_from = "Form", deny_unknown_fields)]
pub struct Money {
    /// The amount, exact to the currency's minor unit.
    #[schema(value_type = String, example = "12.34", pattern = r"^-?(0|[1-9][0-9]{0,14}|1000000000000000)(\.[0-9]{1,4})?$")]
    amount: Decimal,
    /// The currency.
    currency: Currency,
}

/// Money as it is read from JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    amount: String,
    currency: Currency,
}

impl Money {
    /// An amount in a currency.
    ///
    /// # Errors
    /// When it has more decimals than the currency, or is beyond 10^15.
    pub fn new(mut amount: Decimal, currency: Currency) -> Result<Self, Invalid> {
        let decimals = currency.decimals();
        if amount.scale() > decimals {
            return Err(Invalid::new(
                "amount-too-precise",
                format!("an amount in {currency} has at most {decimals} decimals"),
            ));
        }
        if amount.abs() > LIMIT {
            return Err(Invalid::new(
                "amount-out-of-range",
                "an amount is at most 1000000000000000, plus or minus",
            ));
        }
        if amount.is_zero() {
            // There is one zero, and it has no sign.
            amount = Decimal::ZERO;
        }
        amount.rescale(decimals);
        Ok(Self { amount, currency })
    }

    /// Reads a decimal string such as `12.34`: no exponent, no plus, no leading zeros.
    ///
    /// # Errors
    /// When it is not one, or as for [`Money::new`].
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, Invalid> {
        if !is_decimal(amount) {
            return Err(Invalid::new(
                "invalid-amount",
                "an amount is a decimal string such as 12.34",
            ));
        }
        let out_of_range = |_| {
            Invalid::new(
                "amount-out-of-range",
                "the amount has more digits than any that is allowed",
            )
        };
        Self::new(
            Decimal::from_str_exact(amount).map_err(out_of_range)?,
            currency,
        )
    }

    /// Nothing.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let mut amount = Decimal::ZERO;
        amount.rescale(currency.decimals());
        Self { amount, currency }
    }

    /// The amount in major units, with the currency's decimals.
    #[must_use]
    pub const fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.amount.is_sign_negative()
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum is out of range.
    pub fn checked_add(self, other: Self) -> Result<Self, Invalid> {
        self.same_currency(other)?;
        Self::new(self.amount + other.amount, self.currency)
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ or the difference is out of range.
    pub fn checked_sub(self, other: Self) -> Result<Self, Invalid> {
        self.same_currency(other)?;
        Self::new(self.amount - other.amount, self.currency)
    }

    /// So many times the amount.
    ///
    /// # Errors
    /// When the product is out of range.
    pub fn checked_mul(self, times: u32) -> Result<Self, Invalid> {
        Self::new(self.amount * Decimal::from(times), self.currency)
    }

    /// The sum of amounts, all in the given currency.
    ///
    /// # Errors
    /// When the currencies differ or the sum is out of range.
    pub fn sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, Invalid> {
        amounts
            .into_iter()
            .try_fold(Self::zero(currency), Self::checked_add)
    }

    fn same_currency(self, other: Self) -> Result<(), Invalid> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(Invalid::new(
            "currency-mismatch",
            format!("{} and {} do not add up", self.currency, other.currency),
        ))
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl TryFrom<Form> for Money {
    type Error = Invalid;

    fn try_from(form: Form) -> Result<Self, Invalid> {
        Self::parse(&form.amount, form.currency)
    }
}

/// Written without a text of its own: an order has a dozen amounts, and is read often.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("Money", 2)?;
        form.serialize_field("amount", &format_args!("{}", self.amount))?;
        form.serialize_field("currency", &self.currency)?;
        form.end()
    }
}
