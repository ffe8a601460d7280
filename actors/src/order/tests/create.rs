//! Making an order, and what it costs.

use engine::{Entity, Rejection as _};

use super::*;

fn create(line: NewLine) -> Command {
    Command::Create(Box::new(blueprint([line])))
}

fn refusal(line: NewLine) -> (String, &'static str) {
    let order = Order::default();
    let context = crate::testing::context(0, 0);
    let rejection = order.decide(&create(line), &context).unwrap_err();
    (rejection.pointer().unwrap(), rejection.code())
}

#[test]
fn is_made_once() {
    let order = draft([new_line(1, 2)]);
    assert_eq!(state(&order).status, Status::Draft);
    assert_eq!(state(&order).allowed_transitions(), ["placed", "cancelled"]);
    order
        .when(create(new_line(1, 2)))
        .refused(Rejection::AlreadyExists);
    given::<Order>([])
        .when(Command::Place)
        .refused(Rejection::NotFound);
}

#[test]
fn is_placed_at_once_unless_it_is_a_draft() {
    let order = given::<Order>([]).when(create(new_line(1, 2))).happened();
    assert_eq!(state(&order).status, Status::Placed);
    let index = order.state().index();
    assert_eq!(index.status, "placed");
    assert_eq!(index.text, "order-4711 TEA-1");
    assert_eq!(order.state().claims()[0].key, "reference:order-4711");
}

#[test]
fn costs_what_its_lines_cost() {
    let line = NewLine {
        discount: Some(brl("1.01")),
        tax: Some(brl("0.70")),
        freight: Some(brl("3.00")),
        ..new_line(1, 3)
    };
    let order = draft([line, new_line(2, 4)]);
    let expected = Totals {
        goods: brl("17.50"),
        discount: brl("1.01"),
        tax: brl("0.70"),
        freight: brl("3.00"),
        total: brl("20.19"),
    };
    assert_eq!(state(&order).totals, expected);
    assert_eq!(state(&order).lines[0].terms.total, brl("10.19"));
}

#[test]
fn an_amount_at_fault_is_pointed_at() {
    let dollars = Money::parse("1.00", "USD".parse().unwrap()).unwrap();
    let huge = brl("1000000000000000.00");
    let line = || new_line(1, 2);
    for (line, pointer, code) in [
        (
            NewLine {
                unit_price: dollars,
                ..line()
            },
            "/lines/0/unit_price",
            "currency-mismatch",
        ),
        (
            NewLine {
                tax: Some(brl("-0.01")),
                ..line()
            },
            "/lines/0/tax",
            "negative-amount",
        ),
        (
            NewLine {
                discount: Some(brl("5.01")),
                ..line()
            },
            "/lines/0/discount",
            "discount-too-large",
        ),
        (
            NewLine {
                unit_price: huge,
                ..line()
            },
            "/lines/0/unit_price",
            "amount-out-of-range",
        ),
        (
            NewLine {
                freight: Some(huge),
                ..line()
            },
            "/lines/0/freight",
            "amount-out-of-range",
        ),
    ] {
        assert_eq!(refusal(line), (pointer.into(), code));
    }
}

#[test]
fn a_total_beyond_what_an_amount_can_be_is_refused() {
    let dear = NewLine {
        unit_price: brl("1000000000000000.00"),
        ..new_line(1, 1)
    };
    let create = Command::Create(Box::new(blueprint([dear.clone(), dear])));
    given::<Order>([])
        .when(create)
        .refused(Rejection::TotalOutOfRange);
}

#[test]
fn what_it_says_of_people_is_apart() {
    let order = draft(lines());
    let written = engine::NewEvent::encode(&Event::Updated(Box::new(Updated {
        details: state(&order).details.clone(),
        personal: state(&order).personal.as_deref().cloned(),
    })))
    .unwrap();
    assert!(!written.data.contains("Ana"));
    assert!(written.personal.unwrap().contains("Ana"));
}
