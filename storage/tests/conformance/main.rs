//! One suite for both engines: whatever is promised above the engine trait must hold over a disk and over the
//! simulator's memory alike.

mod bench;
mod engine;
mod exchange;
mod fence;
mod floors;
mod hints;
mod ledger;
mod leftover;
mod merging;
mod raft;
mod recollection;
mod replica;
mod scan;
mod sums;

use bench::{Disk, Memory};

/// Each test of a module, once per engine.
macro_rules! over_both {
    ($module:ident: $($name:ident)*) => {
        mod $module {
            mod memory {
                $(#[test]
                fn $name() {
                    crate::$module::$name(crate::Memory::default());
                })*
            }
            mod disk {
                $(#[test]
                fn $name() {
                    crate::$module::$name(crate::Disk::default());
                })*
            }
        }
    };
}

mod over {
    over_both!(engine:
        what_was_written_is_read
        a_batch_applies_in_order
        a_scan_pages_both_ways_within_its_bounds
        a_range_is_deleted_up_to_its_end
        synced_data_survive_a_restart
        syncs_are_counted
        what_lies_ready_is_taken_in_where_nothing_is
        an_empty_batch_is_a_write
        doubt_survives_a_restart
    );
    over_both!(fence:
        what_was_closed_stays_closed_after_a_restart
        a_layout_that_takes_nothing_away_costs_no_sync
        without_space_it_is_refused_and_not_closed
    );
    over_both!(floors:
        what_is_closed_takes_nothing_new_but_over_a_value
        what_is_sealed_takes_no_value_where_nothing_is_held
        a_seal_needs_its_closing_and_floors_survive_a_restart
        round_one_and_readers_are_told_and_what_is_assigned_is_above
        removals_are_found_by_age_and_due_values_with_their_flag
        a_listed_removal_goes_where_exactly_that_is_held
        ids_go_only_where_that_is_remembered
        a_copy_is_begun_with_floors_and_filled_below_them
        a_dropped_table_takes_its_floors_along
        without_space_nothing_is_closed
    );
    over_both!(ledger:
        a_lossy_replica_takes_and_answers_nothing_and_deletes_nothing
        a_filling_replica_takes_writes_and_answers_nothing
        what_was_taken_is_not_taken_again_and_what_was_noted_outlives_the_process
        a_copy_that_is_split_while_it_is_filled_is_not_taken_again
        halves_that_are_merged_are_filled_each_by_itself
        a_half_that_is_not_whole_is_filled_before_its_shard_is_merged_to_fewer_owners
        once_all_is_whole_nothing_is_noted_any_more
        a_table_made_after_the_loss_was_never_lost
        a_table_that_is_dropped_is_no_gap
        what_is_being_filled_is_not_kept
        data_that_are_kept_count_as_they_are
        a_page_is_taken_in_beside_what_came_meanwhile
        pages_carry_what_lies_on_the_disk
    );
    over_both!(leftover:
        what_is_not_owned_any_more_is_gone_for_good
        one_step_clears_one_shard
        a_shard_that_comes_back_begins_with_nothing
        what_was_given_later_is_not_cleared_under_an_older_catalog
        without_trust_nothing_is_cleared
    );
    over_both!(merging:
        an_owner_that_stays_answers_and_merges_by_version
        what_is_merged_is_synced_and_a_later_run_merges_anew
    );
    over_both!(replica:
        a_write_is_read_back
        nothing_held_is_said_so
        the_greater_version_wins_in_any_order
        operation_ids_of_a_losing_record_are_kept
        an_expired_record_beats_its_version_and_stays
        writes_of_one_batch_see_each_other
        assign_goes_above_what_is_held
        assign_of_two_lives_never_ties
        places_not_owned_are_refused
        an_incarnation_that_no_catalog_names_yet_answers_nothing
        an_older_layout_is_ignored
        a_batch_of_many_syncs_once
        an_os_table_syncs_only_when_asked
        a_raised_write_syncs_what_was_held
        a_table_raised_to_sync_is_synced_first
        inspect_shows_what_is_held
        a_dropped_table_is_purged
        a_damaged_record_poisons_for_good
        a_full_disk_refuses_writes_only
        questions_in_a_batch_see_its_writes
    );
    over_both!(scan:
        pages_of_a_range_are_the_range
        removals_are_listed_and_small_records_come_whole
        an_answer_ends_at_its_limit_of_bytes
        a_range_is_answered_as_far_as_its_shard_and_at_its_epoch_only
    );
    over_both!(exchange:
        sums_of_parts_are_those_of_the_list
        where_the_owner_chose_to_stop_it_says_so
        boundaries_are_adopted_where_both_sides_have_enough_keys
        records_are_fetched_by_their_items_or_all
        what_comes_is_merged_by_version_with_the_ids_of_both
        only_an_owner_at_that_epoch_that_trusts_its_disk_answers
    );
    over_both!(hints:
        a_hint_is_kept_and_erased
        hints_of_one_place_are_merged
        a_hint_that_grew_is_not_erased
        hints_come_in_pages
        limits_refuse_and_count
        books_survive_a_restart
        a_dropped_table_takes_its_hints_along
        a_hint_needs_no_ownership_but_a_table
    );
    over_both!(recollection:
        the_counter_grows_with_what_is_synced_and_survives
        what_a_peer_said_rides_along_and_survives
        without_traffic_it_is_saved_and_counts_as_no_progress
        a_peer_that_remembers_more_poisons
        a_damaged_note_about_a_peer_is_a_doubt
        all_that_is_held_can_be_read_in_spite_of_a_doubt_and_damage_is_found
    );
    over_both!(sums:
        sums_follow_every_write
        rows_spare_the_next_start_the_counting
        the_first_change_deletes_the_row
        a_cleared_table_leaves_no_sums
        a_full_disk_leaves_sums_and_records_together
        rows_that_another_version_may_have_outlived_are_not_believed
        a_damaged_row_is_not_believed_and_no_doubt
        a_walk_is_right_under_concurrent_writes
    );
    over_both!(raft:
        entries_are_appended_truncated_and_purged
        what_consensus_keeps_survives_a_restart
        damage_poisons_the_replica_too
        a_doubted_folder_does_not_vote
    );
}
