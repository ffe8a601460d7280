//! Tests of the document type and of check digits.

use engine::{Entity, Rejection as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{given, run};

fn rule(min: u32, max: u32, characters: &str, check: &str) -> Value {
    json!({"min_length": min, "max_length": max, "characters": characters, "check": check})
}

fn cpf() -> Value {
    rule(11, 11, "digits", "mod11_cpf")
}

fn details(rule: &Value) -> Box<Details> {
    let details = json!({
        "code": "CPF", "country": "BR", "category": "personal", "name": "Cadastro",
        "rule": rule, "reference": "cpf",
    });
    serde_json::from_value(details).unwrap()
}

fn create(rule: &Value) -> Command {
    let details = details(rule);
    Command::Create { details }
}

fn created() -> Event {
    let details = details(&cpf());
    Event::Created { details }
}

fn update(patch: Value) -> Command {
    let patch = serde_json::from_value(patch).unwrap();
    Command::Update { patch }
}

fn read(rule: Value) -> Rule {
    serde_json::from_value(rule).unwrap()
}

fn keys(entity: &DocumentType) -> Vec<String> {
    entity.claims().into_iter().map(|claim| claim.key).collect()
}

#[test]
fn is_defined_once_under_its_code_and_country() {
    let defined = given::<DocumentType>([])
        .when(create(&cpf()))
        .then([created()]);
    assert_eq!(keys(defined.state()), ["code:CPF:BR", "reference:cpf"]);
    let index = defined.state().index();
    assert_eq!((index.status, index.flagged), ("personal", true));
    assert_eq!(index.text, "Cadastro CPF");
    assert_ne!(index.parent, index.site);
    defined
        .when(create(&cpf()))
        .refused(Rejection::AlreadyExists);
}

#[test]
fn does_not_exist_before() {
    given::<DocumentType>([])
        .when(update(json!({})))
        .refused(Rejection::NotFound);
}

#[test]
fn an_update_keeps_what_it_leaves_out_and_clears_what_is_null() {
    let patch = json!({"country": null, "reference": null, "active": false, "code": "ID"});
    let expected = Details {
        country: None,
        reference: None,
        active: false,
        code: "ID".parse().unwrap(),
        ..*details(&cpf())
    };
    let details = Box::new(expected);
    let updated = given::<DocumentType>([created()])
        .when(update(patch.clone()))
        .then([Event::Updated { details }]);
    assert_eq!(keys(updated.state()), ["code:ID:"]);
    assert_eq!(updated.state().index().site, None);
    updated.when(update(patch)).then([]);
}

#[test]
fn a_rule_that_no_number_follows_is_refused() {
    let reversed = rule(5, 4, "digits", "none");
    let unsuited = [
        rule(1, 9, "digits", "luhn"),
        rule(8, 9, "alphanumeric", "luhn"),
        rule(8, 9, "letters", "luhn"),
        rule(11, 14, "digits", "mod11_cpf"),
        rule(11, 11, "alphanumeric", "mod11_cpf"),
        rule(11, 14, "digits", "mod11_cnpj"),
        rule(14, 14, "letters", "mod11_cnpj"),
        rule(2, 20, "alphanumeric", "mod97_10"),
    ];
    let refused = |rule: Value, rejection: Rejection| {
        let new = given::<DocumentType>([]).when(create(&rule));
        new.refused(rejection.clone());
        let changed = given::<DocumentType>([created()]).when(update(json!({"rule": rule})));
        changed.refused(rejection);
    };
    refused(reversed, Rejection::LengthsReversed);
    for rule in unsuited {
        refused(rule, Rejection::CheckUnsuited);
    }
    let pointers = [Rejection::LengthsReversed, Rejection::CheckUnsuited].map(|it| it.pointer());
    assert_eq!(
        pointers,
        ["/rule/max_length", "/rule/check"].map(|it| Some(it.to_owned()))
    );
}

#[test]
fn published_numbers_are_valid() {
    let cnpj = rule(14, 14, "alphanumeric", "mod11_cnpj");
    for (rule, number, normalised) in [
        // The number that everybody tries cards with.
        (
            rule(12, 19, "digits", "luhn"),
            "4111 1111 1111 1111",
            "4111111111111111",
        ),
        (cpf(), "529.982.247-25", "52998224725"),
        // The first one issued, and the example with letters of the Receita Federal.
        (cnpj.clone(), "00.000.000/0001-91", "00000000000191"),
        (cnpj, "12.abc.345/01de-35", "12ABC34501DE35"),
        // Identifiers of legal entities in the index of the GLEIF.
        (
            rule(20, 20, "alphanumeric", "mod97_10"),
            "5493001KJTIIGC8Y1R12",
            "5493001KJTIIGC8Y1R12",
        ),
        (
            rule(20, 20, "alphanumeric", "mod97_10"),
            "INR2EJN1ERAN0W5ZP974",
            "INR2EJN1ERAN0W5ZP974",
        ),
    ] {
        let expected = Verdict {
            valid: true,
            normalised: normalised.into(),
            problem: None,
        };
        assert_eq!(read(rule).validate(number), expected);
    }
}

#[test]
fn a_fault_is_named() {
    let plate = read(rule(2, 3, "letters", "none"));
    for (rule, number, fault) in [
        (plate, "", Fault::TooShort),
        (plate, " .-/A", Fault::TooShort),
        (plate, "ABCD", Fault::TooLong),
        (plate, "AB1", Fault::WrongCharacter),
        (plate, "AÉ", Fault::WrongCharacter),
        (plate, "A_B", Fault::WrongCharacter),
        (read(cpf()), "529.982.247-2X", Fault::WrongCharacter),
        (read(cpf()), "529.982.247-26", Fault::WrongCheckDigit),
    ] {
        let verdict = rule.validate(number);
        assert_eq!(
            (verdict.valid, verdict.problem),
            (false, Some(fault)),
            "{number}"
        );
    }
}

/// A number with the only check digits that are right, out of those from the first to the last.
fn ended(check: Check, body: &str, ends: std::ops::RangeInclusive<u32>, width: usize) -> String {
    let numbers = ends.map(|end| format!("{body}{end:0width$}"));
    let right: Vec<_> = numbers.filter(|number| check.holds(number)).collect();
    assert_eq!(right.len(), 1, "{body}: {right:?}");
    right.into_iter().next().unwrap()
}

/// The number with another digit at a place.
fn slipped(number: &str, place: usize, by: u8) -> String {
    let mut bytes = number.as_bytes().to_vec();
    let place = place % bytes.len();
    bytes[place] = b'0' + (bytes[place] - b'0' + by) % 10;
    String::from_utf8(bytes).unwrap()
}

/// The only wrong digits that the remainder of modulo 11 lets pass.
#[test]
fn a_wrong_digit_may_pass_where_modulo_11_gives_0() {
    assert!(Check::Mod11Cpf.holds("00000000604") && Check::Mod11Cpf.holds("10000000604"));
}

const CHECKS: [&str; 5] = ["none", "luhn", "mod11_cpf", "mod11_cnpj", "mod97_10"];

fn any_rule() -> impl Strategy<Value = Value> {
    let characters = prop_oneof![Just("digits"), Just("letters"), Just("alphanumeric")];
    let lengths = prop_oneof![Just((11, 11)), Just((14, 14)), (1u32..=64, 1u32..=64)];
    (lengths, characters, prop::sample::select(&CHECKS[..]))
        .prop_map(|((min, max), characters, check)| rule(min, max, characters, check))
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        any_rule().prop_map(|rule| create(&rule)),
        any_rule().prop_map(|rule| update(json!({"rule": rule}))),
        prop::option::of("BR|PT").prop_map(|country| update(json!({"country": country}))),
        any::<bool>().prop_map(|active| update(json!({"active": active}))),
    ]
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..10, any_command()), 0..30)) {
        run::<DocumentType>(commands, |entity, events| {
            assert_eq!(entity.0.is_some(), !events.is_empty());
            if let Some(details) = &entity.0 {
                assert_eq!(details.rule.check(), Ok(()));
            }
        });
    }

    #[test]
    fn luhn_finds_every_wrong_digit(body in "[0-9]{1,63}", place: usize, by in 1u8..10) {
        let number = ended(Check::Luhn, &body, 0..=9, 1);
        prop_assert!(!Check::Luhn.holds(&slipped(&number, place, by)), "{number}");
    }

    #[test]
    fn mod97_finds_every_wrong_digit(body in "[0-9]{1,62}", place: usize, by in 1u8..10) {
        let number = ended(Check::Mod97, &body, 2..=98, 2);
        prop_assert!(!Check::Mod97.holds(&slipped(&number, place, by)), "{number}");
    }

    #[test]
    fn mod11_finds_every_wrong_digit_unless_it_gave_0(
        (check, body) in prop_oneof![
            (Just(Check::Mod11Cpf), "[0-9]{9}"),
            (Just(Check::Mod11Cnpj), "[0-9]{12}"),
        ],
        place: usize,
        by in 1u8..10,
    ) {
        let number = ended(check, &body, 0..=99, 2);
        if !number[body.len()..].starts_with('0') {
            prop_assert!(!check.holds(&slipped(&number, place, by)), "{number}");
        }
    }

    #[test]
    fn separators_and_case_do_not_count(number in "[0-9A-Za-z]{14}", blanks in "[-./ ]{0,20}") {
        let rule = read(rule(14, 14, "alphanumeric", "mod11_cnpj"));
        let plain = rule.validate(&number.to_ascii_uppercase());
        let (left, right) = number.split_at(7);
        prop_assert_eq!(rule.validate(&format!("{blanks}{left}{blanks}{right}")), plain);
    }

    #[test]
    fn any_text_and_rule_give_a_verdict(rule in any_rule(), number in ".{0,80}") {
        let verdict = read(rule).validate(&number);
        prop_assert_eq!(verdict.valid, verdict.problem.is_none());
    }
}
