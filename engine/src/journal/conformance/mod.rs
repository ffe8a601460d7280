//! What every journal must do, as one suite that runs against each implementation of the port.

mod claims;
mod documents;
mod draft;
mod events;
mod feeds;
mod leases;
mod lists;
mod paging;
mod requests;
mod subscribers;
mod text;
mod timers;

use std::sync::Arc;

use super::Journal;

/// How many shards the journals under test must have at least.
pub const SHARDS_MIN: u16 = 4;

macro_rules! run_cases {
    ($make:ident: $($module:ident { $($case:ident),+ $(,)? })+) => {
        $($({
            let name = concat!(stringify!($module), "::", stringify!($case));
            println!("conformance: {name}");
            let journal = $make().await;
            let result = $module::$case(&*journal).await;
            assert!(result.is_ok(), "{name}: {result:?}");
        })+)+
    };
}

/// Runs the suite. `make` gives a fresh, empty journal with at least [`SHARDS_MIN`] shards.
///
/// # Panics
/// When the journal does not do what it must.
pub async fn run(make: impl AsyncFn() -> Arc<dyn Journal>) {
    run_cases! { make:
        leases {
            take_over_raises_the_epoch, an_old_epoch_is_fenced, a_lease_is_of_one_shard,
            only_an_owner_renews,
            without_a_lease_nothing_is_written, a_shard_that_is_not_there_is_refused,
        }
        events {
            come_back_as_they_went_in, have_versions_and_positions_without_gaps,
            losers_leave_no_gap, a_stale_version_is_refused, a_gap_in_versions_is_refused,
            kinds_are_kept_apart, a_big_batch_is_one_commit, an_empty_batch_commits,
        }
        requests {
            count_once, count_once_within_a_batch, keep_refusals, lose_with_their_append,
            keep_answers_byte_for_byte, an_answer_may_come_with_its_request, are_pruned,
            a_lost_key_is_free_for_the_next,
        }
        claims {
            are_exclusive, reach_as_far_as_their_scope, are_given_up, move_within_a_batch,
            are_taken_once_within_a_batch, may_be_taken_again_by_their_holder, of_an_event_are_for_good,
            tell_which_is_lost, taken_and_given_up_in_one_batch,
        }
        documents {
            hold_the_last_surviving_state, may_be_summaries, a_kept_state_needs_one,
            load_in_order_of_the_keys, do_not_change_without_events,
            losers_take_later_appends_with_them, refusals_take_nothing_with_them, are_forgotten,
        }
        timers { are_set_and_replaced_and_cleared, are_due_in_order, go_with_a_refusal }
        feeds {
            page_without_gap_or_repeat, history_pages_by_version, tell_the_heads,
            tenants_see_their_own, tenants_look_no_further_than_the_span,
            tenants_page_over_many_shards,
        }
        subscribers {
            keep_checkpoints, checkpoints_need_a_lease, park_and_unpark, park_what_is_damaged, parked_in_order, what_is_not_parked_is_not_found,
        }
        lists {
            filter_by_every_column, conditions_hold_together, search_without_case,
            keep_companies_apart, leave_full_states_out, show_what_was_just_written,
        }
        paging { sorts_both_ways, goes_on_over_equal_times, looks_at_a_span_of_time }
        text { any_but_nul_is_kept, nul_is_refused, long_keys_are_refused, nul_is_never_found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::memory::Memory;

    #[tokio::test]
    async fn memory_conforms() {
        run(async || Arc::new(Memory::new(SHARDS_MIN)) as Arc<dyn Journal>).await;
    }
}
