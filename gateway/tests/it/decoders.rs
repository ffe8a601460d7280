//! Whatever is decoded from clients and operators: hostile text is refused, and never panics.

use actors::customer::Customer;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use engine::Entity as _;
use engine::journal::Document;
use gateway::auth::secret::{Purpose, Secret};
use gateway::auth::token::Tokens;
use gateway::config::Config;
use gateway::http::list::Asked;
use proptest::prelude::*;
use uuid::Uuid;

fn list(query: &str) -> Option<Asked> {
    let uri: Uri = format!("/customers?{query}").parse().ok()?;
    Asked::read(Customer::KIND, Some(Uuid::nil()), &["active"], &[], &uri).ok()
}

fn tokens() -> Tokens {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem").display().to_string();
    let settings = [("QUENTY__AUTH__SIGNING_KEY_FILE".to_owned(), key)];
    Tokens::new(&Config::load_with(None, settings).unwrap().auth).unwrap()
}

/// An entry of a list, of which only its place counts here.
fn document(id: Uuid, created_at_ms: i64) -> Document {
    let at = DateTime::from_timestamp_millis(created_at_ms).unwrap();
    Document {
        id,
        tenant: Uuid::nil(),
        version: 1,
        schema: 1,
        created_at: at,
        updated_at: at,
        listed: None,
        state: None,
    }
}

/// Settings of a file, each of a kind of its own.
fn settings() -> impl Strategy<Value = String> {
    let limits = (1..u32::MAX, 1..u16::MAX, 0..u64::from(u32::MAX));
    (limits, "[a-z]{1,20}", 0.0..1.0).prop_map(|((streams, shards, wait), issuer, ratio)| {
        format!(
            "[gateway]\nmax_streams = {streams}\nsaga_wait_ms = {wait}\n[storage]\nshards = {shards}\n\
             [auth]\nissuer = \"{issuer}\"\n[telemetry]\notlp_sample_ratio = {ratio}\n"
        )
    })
}

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

proptest! {
    #[test]
    fn a_cursor_reads_back(id: u128, at in 0_i64..1 << 42, limit in 1_usize..=100) {
        let (id, query) = (Uuid::from_u128(id), format!("limit={limit}"));
        let last = document(id, at);
        let mut page = vec![last.clone(); limit];
        page.push(document(Uuid::nil(), at));
        let cursor = list(&query).unwrap().next_cursor(&mut page).unwrap();
        let next = list(&format!("{query}&cursor={cursor}")).unwrap();
        prop_assert_eq!(next.query.after, Some((last.created_at, id)));
        let another = list(&format!("{query}&sort=created_at&cursor={cursor}"));
        prop_assert!(another.is_none());
    }

    #[test]
    fn any_file_of_settings_is_taken_or_refused(bytes: Vec<u8>, text in "[a-z_.=\\[\\]\"0-9 \n-]{0,300}") {
        for text in [&bytes, text.as_bytes()] {
            let _ = Config::load_with(Some(file(text).path()), []);
        }
    }

    #[test]
    fn settings_that_were_printed_read_back(text in settings()) {
        let printed = Config::print(Some(file(text.as_bytes()).path())).unwrap();
        let again = Config::print(Some(file(printed.as_bytes()).path())).unwrap();
        prop_assert_eq!(&again, &printed);
        let [first, second] = [&text, &printed]
            .map(|text| Config::load_with(Some(file(text.as_bytes()).path()), []).unwrap());
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }

    #[test]
    fn a_made_up_cursor_is_none(bytes: Vec<u8>, limit in 1_u32..=100) {
        let cursor = URL_SAFE_NO_PAD.encode(bytes);
        let asked = list(&format!("limit={limit}&cursor={cursor}"));
        prop_assert!(asked.is_none());
    }

    #[test]
    fn a_limit_is_within_its_bounds_or_refused(limit: i64) {
        let is_taken = list(&format!("limit={limit}")).is_some();
        prop_assert_eq!(is_taken, (1..=100).contains(&limit));
    }

    #[test]
    fn any_query_is_read_or_refused(query in "[ -~]{0,200}") {
        let _ = list(&query.replace('#', "%23"));
    }

    #[test]
    fn any_text_is_a_secret_that_reads_back_or_none(text in "[a-z_]{0,12}[0-9A-Za-z_.-]{0,200}") {
        for purpose in [Purpose::ApiKey, Purpose::Refresh] {
            if let Some(secret) = Secret::parse(purpose, &text) {
                prop_assert_eq!(secret.reveal(), text.clone());
            }
        }
    }

    #[test]
    fn any_setting_is_taken_or_refused(name in "[A-Z_]{1,30}", value in any::<String>()) {
        let names = ["GATEWAY__LISTEN", "GATEWAY__MAX_BODY_BYTES", "STORAGE__SHARDS", "AUTH__ISSUER"];
        for name in names.into_iter().chain([&*name]) {
            let _ = Config::load_with(None, [(format!("QUENTY__{name}"), value.clone())]);
        }
    }
}

#[test]
fn a_token_reads_back() {
    let tokens = tokens();
    proptest!(|(user: u128, session: u128, company: u128)| {
        let ids = [user, session, company].map(Uuid::from_u128);
        let [user, session, company] = ids;
        let claims = tokens.verify(&tokens.issue(user, session, company).unwrap()).unwrap();
        prop_assert_eq!([claims.sub, claims.sid, claims.tenant], ids);
    });
}

#[test]
fn any_text_is_no_token() {
    let tokens = tokens();
    let good = tokens.issue(Uuid::nil(), Uuid::nil(), Uuid::nil()).unwrap();
    assert!(tokens.verify(&good).is_ok());
    proptest!(|(text: String, place in 0..good.len(), byte in "[0-9A-Za-z_-]")| {
        prop_assert!(tokens.verify(&text).is_err());
        let mut altered = good.clone();
        altered.replace_range(place..=place, &byte);
        // The last letter has bits to spare, which say nothing.
        prop_assert!(altered == good || tokens.verify(&altered).is_err());
    });
}
