//! One suite for every store: each case gets a fresh [`Harness`] and knows nothing of what is behind it.
//!
//! Cases move time by the argument `now` only and by far more than any slack a store may allow, so they hold for stores that
//! hear of uses late. What one store alone promises (limits of memory, files, connections) is tested beside that store.

pub mod alias;
pub mod bus;
pub mod deployment;
pub mod device;
pub mod event;
pub mod key;
pub mod limit;
mod scene;
pub mod session_create;
pub mod session_data;
pub mod session_end;
pub mod session_handoff;
pub mod session_race;
pub mod session_read;
pub mod session_rotate;
pub mod session_share;
pub mod session_touch;
pub mod signing_key;
pub mod token_end;
pub mod token_refresh;
mod token_scene;
pub mod user;

pub use limit::LimitScene;
pub use scene::{Person, Scene};

use std::{any::Any, sync::Arc};
use vestibule_core::{
    alias::AliasStore,
    bus::Bus,
    deployment::DeploymentStore,
    device::DeviceStore,
    event::{DeliveryStore, EventStore},
    key::KeyStore,
    session::SessionStore,
    token::{TokenStore, signing::SigningKeyStore},
};

/// A store under test, empty, with whatever must outlive it (a folder, a server).
pub struct Harness {
    /// Sessions and users.
    pub sessions: Arc<dyn SessionStore>,
    /// Where tokens of other systems lead.
    pub aliases: Arc<dyn AliasStore>,
    /// Token families.
    pub tokens: Arc<dyn TokenStore>,
    /// Trusted devices.
    pub devices: Arc<dyn DeviceStore>,
    /// Their events.
    pub events: Arc<dyn EventStore>,
    /// How far deliveries of events have come.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// Management keys.
    pub keys: Arc<dyn KeyStore>,
    /// The deployment.
    pub deployment: Arc<dyn DeploymentStore>,
    /// The keys behind access tokens.
    pub signing_keys: Arc<dyn SigningKeyStore>,
    /// Where ends of sessions are told; see [`Self::telling`].
    pub bus: Option<Arc<dyn Bus>>,
    guards: Vec<Box<dyn Any + Send + Sync>>,
}

impl Harness {
    /// A harness of one store that is everything.
    pub fn of<S>(store: Arc<S>) -> Self
    where
        S: SessionStore
            + AliasStore
            + TokenStore
            + DeviceStore
            + EventStore
            + DeliveryStore
            + KeyStore
            + DeploymentStore
            + SigningKeyStore
            + 'static,
    {
        Self::joined(store.clone(), store)
    }

    /// A harness of a store of sessions over a record that keeps the rest.
    pub fn joined<S, R>(sessions: Arc<S>, record: Arc<R>) -> Self
    where
        S: SessionStore + AliasStore + TokenStore + DeviceStore + 'static,
        R: EventStore + DeliveryStore + KeyStore + DeploymentStore + SigningKeyStore + 'static,
    {
        Self {
            aliases: sessions.clone(),
            tokens: sessions.clone(),
            devices: sessions.clone(),
            sessions,
            events: record.clone(),
            keys: record.clone(),
            deployment: record.clone(),
            deliveries: record.clone(),
            signing_keys: record,
            bus: None,
            guards: Vec::new(),
        }
    }

    /// Names the bus of the store, for [`bus_conformance!`](crate::bus_conformance).
    #[must_use]
    pub fn telling(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Keeps something alive for as long as the harness, and drops it after the stores.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guards.push(Box::new(guard));
        self
    }
}

/// Stamps the whole suite on a store: `session_conformance!(make)`, where `make` is an `async fn() -> Harness`.
///
/// Each case becomes a test of its own in a module named after its capability. The crate that stamps needs `tokio`.
#[macro_export]
macro_rules! session_conformance {
    ($make:ident) => {
        $crate::stamp_cases! { $make;
            session_create {
                a_session_begins_as_it_was_given,
                a_login_with_a_password_is_an_event_of_its_own,
                an_anonymous_session_has_no_user,
                one_too_many_evicts_the_oldest,
                a_lower_cap_evicts_as_many_as_needed,
                one_too_many_is_refused,
                only_logins_count_towards_the_cap,
                expired_sessions_do_not_count_towards_the_cap,
                a_disabled_user_gets_no_session,
                parallel_logins_leave_exactly_the_cap,
                parallel_logins_are_refused_beyond_the_cap,
            }
            session_read {
                a_token_that_nobody_has_leads_nowhere,
                a_session_rests_no_longer_than_its_idle_timeout,
                a_session_lives_no_longer_than_its_lifetime,
                an_expired_session_stays_expired_once_noticed,
                a_list_holds_the_valid_sessions_of_one_user_in_order,
                history_is_newest_first_and_paged,
                analytics_count_one_user,
                stats_count_everybody,
                users_are_walked_in_steps,
                due_names_users_with_unnoticed_expiry,
            }
            session_touch {
                a_use_moves_the_idle_deadline_and_nothing_else,
                a_use_never_moves_backwards,
                a_use_of_nothing_is_gone,
                a_use_survives_the_next_command,
                the_activity_trail_is_bounded,
            }
            session_data {
                data_is_written_against_its_revision,
                of_two_writers_one_wins,
                rights_policy_and_limits_are_amended,
                an_extension_is_a_use,
                nothing_is_amended_after_the_end,
            }
            session_rotate {
                the_old_token_works_for_the_overlap,
                without_overlap_the_old_token_is_gone_at_once,
                a_step_up_raises_the_new_token_only,
                a_lost_answer_is_given_again,
                a_foreign_revision_is_a_conflict,
                parallel_rotations_from_one_revision_agree,
                confined_sessions_cannot_step_up,
                a_rotated_session_keeps_what_is_its_own,
                nothing_is_rotated_after_the_end,
            }
            session_share {
                a_share_is_a_child_with_less,
                a_share_ends_with_its_parent_and_not_the_other_way_round,
                a_share_never_outlives_its_parent,
                a_share_of_a_share_is_refused,
                an_impersonation_is_not_shared,
                nothing_is_shared_after_the_end,
                an_impersonation_carries_its_actor,
            }
            session_handoff {
                a_code_continues_a_session_once,
                a_second_redemption_ends_the_first_where_policy_says_so,
                a_code_expires_and_ends_with_its_session,
                parallel_redemptions_give_one_session,
                a_redemption_keeps_the_cap,
                a_disabled_user_redeems_nothing,
                only_logins_are_handed_off,
                unused_codes_are_bounded,
            }
            session_end {
                an_ended_session_is_gone_at_once,
                ending_twice_ends_once,
                all_end_in_one_event,
                all_but_some_end,
                all_but_some_takes_shares_along,
                a_filter_ends_what_it_matches,
                nothing_revives_an_ended_session,
                an_end_is_about_one_user_only,
            }
            session_race {
                a_slow_writer_never_revives_a_session,
                a_login_racing_log_out_everywhere_is_whole,
            }
            user {
                a_disabled_user_has_no_session_and_gets_none,
                a_stranger_can_be_disabled,
                enabling_revives_nothing,
                deleting_erases_history_and_figures,
                deleting_a_stranger_does_nothing,
            }
            token_refresh {
                a_family_begins_as_it_was_given,
                a_user_has_tokens_without_a_session,
                only_logins_have_tokens,
                a_refresh_replaces_the_token,
                the_first_use_of_the_successor_closes_the_grace,
                reuse_ends_the_family_and_no_other,
                parallel_refreshes_are_given_one_successor,
                without_grace_one_of_many_succeeds,
                without_grace_a_late_racer_has_none,
                a_family_ends_by_rest_and_by_age,
                whoever_else_asks_does_no_harm,
                a_token_from_ahead_is_from_a_lost_write,
                a_refresh_is_a_use_of_the_session,
            }
            token_end {
                a_client_revokes_its_own_families_only,
                a_family_ends_with_its_session,
                a_family_expires_with_its_session,
                tokens_are_revoked_by_their_name,
                what_is_denied_later_is_read_from_a_place_on,
                all_tokens_of_a_user_end_by_an_epoch,
                a_user_who_was_disabled_begins_anew,
                nothing_of_a_family_is_good_after_its_revocation,
                families_are_bounded,
                the_end_of_very_many_sessions_ends_families_too,
            }
            event {
                a_timeline_is_newest_first_and_paged,
                a_question_names_types_and_times,
                observations_are_appended_once,
                everybodys_events_hold_nobodys_too,
                old_events_are_forgotten_in_steps,
                an_event_tells_where_its_command_came_from,
                events_of_a_session_name_its_device,
                a_tail_leaves_nothing_out,
                a_tail_begins_behind_an_event,
                how_far_a_delivery_is_changes_version_by_version,
            }
            alias {
                an_alias_leads_to_its_user_until_it_expires,
                an_alias_never_leads_elsewhere,
                an_imported_session_is_found_and_begins_once,
            }
            device {
                a_device_is_trusted_until_its_time,
                a_trust_is_of_one_user_only,
                a_revoked_trust_is_over_at_once,
                a_device_is_trusted_once,
                the_longest_trusted_device_goes_first,
                a_device_gets_another_name,
                an_ended_session_trusts_nothing,
                a_disabled_user_trusts_nothing,
                a_login_on_a_trusted_device_says_so,
                each_device_is_new_once,
                a_browser_that_was_never_seen_is_told,
                parallel_logins_tell_a_device_once,
                a_changed_fingerprint_is_told,
                known_devices_are_bounded,
                a_login_racing_a_revoke_is_decided_once,
                devices_outlive_the_last_session,
            }
            key {
                keys_are_kept_in_order_and_deleted_once,
                keys_are_bounded,
            }
            deployment {
                a_deployment_is_founded_once,
                a_fingerprint_is_replaced_from_the_one_it_was,
            }
            signing_key {
                signing_keys_are_replaced_version_by_version,
                of_many_writers_of_signing_keys_one_wins,
            }
        }
    };
}

/// Stamps the cases about what is told of ends on a store: `bus_conformance!(make)`, where `make` is an `async fn() -> Harness` that
/// [tells](Harness::telling) of its bus.
#[macro_export]
macro_rules! bus_conformance {
    ($make:ident) => {
        $crate::stamp_cases! { $make;
            bus {
                an_end_is_told_once,
                whoever_hears_of_an_end_finds_it_done,
                an_end_that_nobody_asked_for_is_told,
                ends_at_once_are_told_at_once,
                many_ends_are_all,
                the_end_of_a_user_is_that_of_the_sessions,
                a_denial_is_told,
            }
        }
    };
}

/// Stamps the suite of limits on a store: `limit_conformance!(make)`, where `make` is an `async fn() -> LimitScene`.
#[macro_export]
macro_rules! limit_conformance {
    ($make:ident) => {
        $crate::limit_conformance! { $make;
                gcra_allows_its_burst_and_then_its_rate,
                callers_at_once_never_get_more_than_there_is,
                a_sliding_window_has_no_seam,
                a_fixed_window_ends_with_the_calendar,
                requests_in_flight_are_counted,
                many_requests_in_flight_are_counted,
                a_request_takes_from_all_its_rules_or_from_none,
                demands_for_one_key_add_up,
                a_wait_for_several_units_asks_no_more_than_it_must,
                a_waiter_goes_by_the_rules_in_effect,
                a_denial_on_its_way_does_not_outlive_a_reset,
                a_refund_is_told_of_what_was_nearly_used_up,
                an_attempt_is_given_back_where_it_was_counted,
                odd_limits_are_answered_cleanly,
                a_look_changes_nothing,
                what_is_given_back_was_never_taken,
                blocks_grow_and_strikes_decay,
                a_hit_extends_a_block_where_the_rule_says_so,
                a_shadow_denies_nothing_and_punishes_nobody,
                a_reset_forgets_a_key,
                a_pardon_forgives_all_but_the_strikes,
                a_challenge_is_solved_once_by_all_nodes,
                stuffed_credentials_get_nowhere,
                nodes_share_a_hot_key,
                rules_change_and_counts_go_on,
                single_keys_have_numbers_of_their_own,
                listed_addresses_are_not_counted,
                a_caller_may_wait_to_be_allowed,
                a_clock_that_goes_back_blocks_nobody_for_long,
                another_rate_begins_anew_and_keeps_strikes,
                a_store_decides_as_the_rule_says,
        }
    };
    ($make:ident; $($case:ident,)+) => {
        mod limit {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::limit::$case(super::$make().await).await;
                }
            )+
        }
    };
}

/// See [`session_conformance!`]: one module for each capability, one test for each case.
#[doc(hidden)]
#[macro_export]
macro_rules! stamp_cases {
    ($make:ident; $($capability:ident { $($case:ident,)+ })+) => {
        $(mod $capability {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$capability::$case($crate::conformance::Scene::new(super::$make().await)).await;
                }
            )+
        })+
    };
}

#[cfg(test)]
mod tests {
    /// A case that is written but not stamped would never run.
    #[test]
    fn every_case_is_stamped() {
        let list = include_str!("mod.rs");
        let sources = [
            include_str!("alias.rs"),
            include_str!("bus.rs"),
            include_str!("deployment.rs"),
            include_str!("device.rs"),
            include_str!("event.rs"),
            include_str!("key.rs"),
            include_str!("limit.rs"),
            include_str!("limit/guess.rs"),
            include_str!("limit/hot.rs"),
            include_str!("limit/limiter.rs"),
            include_str!("session_create.rs"),
            include_str!("session_data.rs"),
            include_str!("session_end.rs"),
            include_str!("session_handoff.rs"),
            include_str!("session_race.rs"),
            include_str!("session_read.rs"),
            include_str!("session_rotate.rs"),
            include_str!("session_share.rs"),
            include_str!("session_touch.rs"),
            include_str!("signing_key.rs"),
            include_str!("token_end.rs"),
            include_str!("token_refresh.rs"),
            include_str!("user.rs"),
        ];
        let cases = sources.iter().flat_map(|source| source.split("\npub async fn ").skip(1));
        let names: Vec<&str> = cases.filter_map(|case| case.split('(').next()).collect();
        assert!(names.len() > 60, "{}", names.len());
        for name in names {
            assert!(list.contains(&format!("                {name},\n")), "{name} is stamped on no store");
        }
    }
}
