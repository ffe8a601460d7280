//! Shipments of an order, and what they tell.

use super::*;

fn left(number: u128, at_stock: Vec<Goods>) -> Event {
    Event::ShipmentLeft {
        shipment: shipment(number),
        goods: at_stock,
    }
}

#[test]
fn is_shipped_from_packed_on() {
    confirmed()
        .when(ship(1, None))
        .refused(Rejection::NotShippable {
            from: Status::Confirmed,
        });
    let order = packed().when(ship(1, None)).happened();
    assert_eq!(
        state(&order).consignment(shipment(1)).unwrap().lines.len(),
        3
    );
    assert_eq!(state(&order).status, Status::Packed);
    // The same shipment again is the same request again.
    let order = order.when(ship(1, None)).then([]);
    order.when(ship(2, None)).refused(Rejection::NothingToShip);
}

#[test]
fn a_shipment_takes_no_more_than_is_left() {
    let order = || packed().when(ship(1, Some([(3, 2)].as_slice()))).happened();
    for (wanted, rejection) in [
        (
            vec![(1, 1), (3, 2)],
            Rejection::QuantityTooLarge {
                entry: 1,
                available: 1,
            },
        ),
        (vec![(1, 1), (1, 1)], Rejection::RepeatedLine { entry: 1 }),
        (vec![(4, 1)], Rejection::UnknownLine { entry: 0 }),
        (vec![(0, 1)], Rejection::UnknownLine { entry: 0 }),
    ] {
        order()
            .when(ship(2, Some(wanted.as_slice())))
            .refused(rejection);
    }
}

#[test]
fn nothing_is_picked_that_goes_nowhere() {
    let nowhere = Create {
        shipping_address: None,
        ..blueprint([new_line(1, 1)])
    };
    given::<Order>([])
        .when(Command::Create(Box::new(nowhere)))
        .happened()
        .when(reserved(1))
        .happened()
        .when(Command::Pick)
        .refused(Rejection::ShippingAddressMissing);
}

#[test]
fn one_parcel_weighs_what_its_goods_do() {
    let without_parcels = || {
        Command::Ship(Box::new(Ship {
            parcels: None,
            ..ship_command(1, None)
        }))
    };
    packed()
        .when(without_parcels())
        .refused(Rejection::ParcelsMissing);
    let weighed = NewLine {
        weight_g: Some(crate::values::Weight::new(120).unwrap()),
        ..new_line(1, 3)
    };
    let steps = [Command::Place, reserved(1), Command::Pick, Command::Pack];
    let order = steps
        .into_iter()
        .fold(draft([weighed]), |order, step| order.when(step).happened());
    let context = crate::testing::context(9, 0);
    let decided = engine::Entity::decide(order.state(), &without_parcels(), &context).unwrap();
    let [Event::ShipmentRequested(requested)] = decided.as_slice() else {
        panic!("{decided:?}");
    };
    assert_eq!(requested.parcels[0].weight_g.get(), 360);
}

#[test]
fn goods_leave_and_arrive_shipment_by_shipment() {
    let order = booked()
        .when(moved(1, Milestone::Left))
        .then([left(1, vec![goods(1, 2)])]);
    assert_eq!(state(&order).status, Status::PartiallyShipped);
    assert_eq!(counters(&order, 1), [2, 0, 2, 0, 0, 0]);
    let order = order
        .when(moved(2, Milestone::Left))
        .then([left(2, vec![goods(1, 3), goods(2, 4)])]);
    assert_eq!(state(&order).status, Status::Shipped);
    let order = order.when(moved(2, Milestone::Delivered)).happened();
    assert_eq!(state(&order).status, Status::PartiallyDelivered);
    let order = order.when(moved(1, Milestone::Delivered)).happened();
    assert_eq!(state(&order).status, Status::Delivered);
    assert_eq!(counters(&order, 3), [3, 0, 3, 3, 0, 0]);
}

#[test]
fn a_delivery_heard_of_first_has_left_as_well() {
    booked()
        .when(moved(1, Milestone::Delivered))
        .then([
            left(1, vec![goods(1, 2)]),
            Event::ShipmentDelivered {
                shipment: shipment(1),
            },
        ])
        .when(moved(1, Milestone::Left))
        .then([])
        .when(moved(1, Milestone::Delivered))
        .then([])
        .when(moved(1, Milestone::Cancelled))
        .then([]);
}

#[test]
fn lines_of_a_shipment_that_was_called_off_are_free_again() {
    let order = packed()
        .when(ship(1, None))
        .happened()
        .when(moved(1, Milestone::Cancelled))
        .happened()
        .when(ship(2, None))
        .happened();
    assert_eq!(
        state(&order).consignment(shipment(2)).unwrap().lines.len(),
        3
    );
}

#[test]
fn a_shipment_that_leaves_though_called_off_takes_its_lines_back_or_strays() {
    let called_off = || booked().when(moved(1, Milestone::Cancelled)).happened();
    let order = called_off()
        .when(moved(1, Milestone::Left))
        .then([left(1, vec![goods(1, 2)])]);
    assert_eq!(counters(&order, 1), [2, 0, 2, 0, 0, 0]);

    let order = called_off()
        .when(ship(3, None))
        .happened()
        .when(moved(1, Milestone::Delivered))
        .then([Event::ShipmentStrayed {
            shipment: shipment(1),
            goods: vec![goods(1, 2)],
        }])
        .when(moved(1, Milestone::Left))
        .then([]);
    assert_eq!(counters(&order, 1), [2, 2, 0, 0, 0, 0]);
    assert_eq!(state(&order).status, Status::Packed);
}

#[test]
fn a_shipment_of_another_order_means_nothing() {
    booked().when(moved(9, Milestone::Left)).then([]);
}
