//! A number of our own, a given one, and one that is wished for and perhaps another's.

use super::*;

#[test]
fn is_made_under_a_number_of_our_own() {
    let shipment = made();
    let shipment = shipment.state();
    assert_eq!(shipment.status, Some(Status::Created));
    assert_eq!(
        shipment.tracking_number(),
        Some(&TrackingNumber::of(ENTITY))
    );
    let claims = shipment.claims();
    assert_eq!(claims.len(), 1);
    assert_eq!(
        claims[0].key,
        format!("tracking:{}", TrackingNumber::of(ENTITY))
    );
    let index = shipment.index();
    assert_eq!(index.status, "created");
    assert_eq!(index.parent, Some(order().into()));
}

#[test]
fn a_given_number_is_taken_as_it_is() {
    let given_number = number("1Z999AA10123456784");
    let shipment = given::<Shipment>([])
        .when(create(Numbering::Given(given_number.clone())))
        .happened();
    assert_eq!(shipment.state().tracking_numbers, [given_number]);

    let forged = TrackingNumber::of(Uuid::from_u128(1));
    given::<Shipment>([])
        .when(create(Numbering::Given(forged)))
        .refused(Rejection::NumberReserved);
}

#[test]
fn a_wished_number_comes_later_and_the_first_one_stays_valid() {
    let wish = number("1Z999AA10123456784");
    let shipment = given::<Shipment>([])
        .when(create(Numbering::Wished(wish.clone())))
        .happened();
    let own = TrackingNumber::of(ENTITY);
    assert_eq!(shipment.state().tracking_number(), Some(&own));
    let shipment = shipment
        .when(Command::Number(wish.clone()))
        .then([Event::Numbered {
            tracking_number: wish.clone(),
        }])
        .when(Command::Number(wish.clone()))
        .then([]);
    assert_eq!(shipment.state().tracking_numbers, [wish, own]);
    assert_eq!(shipment.state().claims().len(), 2);
    shipment
        .when(Command::Number(number("ANOTHER-1")))
        .then([refused("ANOTHER-1")]);
}

/// The event that says that a number was refused.
fn refused(text: &str) -> Event {
    Event::NumberRefused {
        tracking_number: number(text),
    }
}

#[test]
fn a_number_that_another_shipment_takes_first_is_forgone_once_and_for_all() {
    let wish = number("1Z999AA10123456784");
    let numbering = Command::Number(wish.clone());
    let instead = Shipment::instead(&numbering, &Rejection::NumberTaken).unwrap();
    let shipment = given::<Shipment>([])
        .when(create(Numbering::Wished(wish)))
        .happened()
        .when(instead.clone())
        .then([refused("1Z999AA10123456784")]);
    let own = [TrackingNumber::of(ENTITY)];
    assert_eq!(shipment.state().tracking_numbers, own);
    assert_eq!(shipment.state().claims().len(), 1);
    // Both may come again, and the number may be free by then.
    let shipment = shipment.when(numbering).then([]);
    shipment.when(instead).then([]);
}

#[test]
fn a_number_that_it_has_is_not_forgone() {
    let wish = number("1Z999AA10123456784");
    let shipment = made().when(Command::Number(wish.clone())).happened();
    shipment.when(Command::ForgoNumber(wish)).then([]);
}

#[test]
fn only_a_saga_knows_what_else_to_do_when_a_number_is_taken() {
    let taken = Rejection::NumberTaken;
    let made = create(Numbering::Given(number("GIVEN-1")));
    assert_eq!(Shipment::instead(&made, &taken), None);
    let forgone = Command::ForgoNumber(number("GIVEN-1"));
    assert_eq!(Shipment::instead(&forgone, &taken), None);
}

#[test]
fn a_wish_for_a_reserved_number_is_dropped() {
    let forged = TrackingNumber::of(Uuid::from_u128(1));
    let wished = create(Numbering::Wished(forged));
    let events = Shipment::default().decide(&wished, &context(0, 0)).unwrap();
    let [Event::Created(created)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(created.wished_number, None);
}
