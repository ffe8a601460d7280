//! Whatever is decoded from clients and operators: hostile text is refused, and never panics.

use actors::customer::Customer;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Entity as _;
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

proptest! {
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
