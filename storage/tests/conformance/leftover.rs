//! What a node does not own any more is cleared; what it owns, or was given later than it knows, is not.

use super::bench::{Bench, EPOCH, SYNC_TABLE, apply, record, replica, value, write};
use quorate_model::layout::{Copy, Role};
use quorate_model::{
    CopyState, Durability, Epoch, Interval, Layout, Pieces, Place, Record, Reply, Request, ShardLayout,
    SortKey, TableLayout, Token,
};
use quorate_storage::engine::{Direction, KeyRange, PageLimit};
use quorate_storage::{Engine, Family, ReadTier, Replica};
use std::collections::BTreeMap;

const OWNED: Option<Copy> = Some(Copy { role: Role::Owner, since: Epoch(0) });
const MANY: PageLimit = PageLimit { items: 1_000, bytes: 1 << 20 };

/// Keys of each piece.
const KEYS: u64 = 20;

/// A table in three pieces, with these copies.
fn pieces(epoch: u64, copies: [Option<Copy>; 3]) -> Layout {
    let starts = [0, 1_000, 2_000].map(|token| SortKey::at_token(Token(token)));
    let ends = [Some(starts[1].clone()), Some(starts[2].clone()), None];
    let first = Interval::everything().start;
    let starts = [first, starts[1].clone(), starts[2].clone()];
    let shards = starts.into_iter().zip(ends).zip(copies).map(|((start, end), copy)| ShardLayout {
        interval: Interval { start, end },
        epoch: EPOCH,
        copy,
    });
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of(shards.collect::<Vec<_>>()) };
    Layout { epoch: Epoch(epoch), incarnation: 1, tables: BTreeMap::from([(SYNC_TABLE, table)]) }
}

fn at(piece: u64, number: u64) -> Place {
    let sort_key = SortKey::at_token(Token(piece * 1_000 + number));
    Place { table: SYNC_TABLE, epoch: EPOCH, sort_key }
}

fn fill<E: Engine>(replica: &Replica<E>, piece: u64) {
    for number in 0..KEYS {
        let reply = apply(replica, write(at(piece, number), record(1, "x")));
        assert!(matches!(reply, Reply::Written { .. }), "{reply:?}");
    }
}

fn read<E: Engine>(replica: &Replica<E>, at: Place) -> Option<Reply> {
    replica.read(&Request::Read { at, whole: true }, ReadTier::Disk)
}

/// Records on the disk.
fn on_disk<B: Bench>(bench: &B) -> usize {
    let everything = KeyRange { start: Vec::new(), end: None };
    let found = bench.engine().scan(Family::Records, &everything, Direction::Forward, MANY);
    found.expect("readable").len()
}

/// Whether all sums are right, and all is counted.
fn sums_are_right<E: Engine>(replica: &Replica<E>) {
    while replica.walk_sums(MANY).expect("counted") {}
    let recount = replica.recount().expect("counted");
    assert_eq!((recount.wrong, recount.missing), (Vec::new(), 0));
    assert!(replica.counts_all());
}

fn keys_of<E: Engine>(replica: &Replica<E>) -> u64 {
    replica.table_figures()[&SYNC_TABLE].total.values()
}

/// A replica of three pieces that were written, of which the one in the middle is owned by others since.
fn moved_away<B: Bench>(bench: &B) -> Replica<B::E> {
    let replica = replica(bench);
    replica.install(pieces(6, [OWNED; 3]));
    (0..3).for_each(|piece| fill(&replica, piece));
    sums_are_right(&replica);
    replica.write_sums().expect("rows are written");
    replica.install(pieces(7, [OWNED, None, OWNED]));
    replica
}

pub fn what_is_not_owned_any_more_is_gone_for_good(mut bench: impl Bench) {
    let replica = moved_away(&bench);
    assert_eq!(on_disk(&bench), 60, "it is still there");
    let bytes = || replica.table_figures()[&SYNC_TABLE].total.bytes;
    assert!(bytes() > 0 && 3 * replica.leftover_bytes() == bytes(), "one of three pieces that are alike");
    assert_eq!(replica.clear_leftovers(9), Ok(false), "that was all");
    assert_eq!(replica.leftover_bytes(), 0);
    assert_eq!(on_disk(&bench), 40);
    assert_eq!(keys_of(&replica), 40, "what is left is counted already");
    sums_are_right(&replica);
    for piece in [0, 2] {
        let expected = Record { body: value("x"), ..record(1, "x") };
        assert_eq!(
            read(&replica, at(piece, 3)),
            Some(Reply::Record(Some(expected))),
            "owned neighbours stay"
        );
    }
    drop(replica);
    bench.restart();
    let again = super::bench::replica(&bench);
    again.install(pieces(7, [OWNED, None, OWNED]));
    assert_eq!(on_disk(&bench), 40, "also after a restart");
    sums_are_right(&again);
    assert_eq!(keys_of(&again), 40);
    assert_eq!(again.clear_leftovers(9), Ok(false));
}

pub fn one_step_clears_one_shard(bench: impl Bench) {
    let replica = moved_away(&bench);
    replica.install(pieces(8, [None, None, OWNED]));
    let left = replica.leftover_bytes();
    assert_eq!(replica.clear_leftovers(1), Ok(true), "there may be more");
    assert_eq!(2 * replica.leftover_bytes(), left);
    assert_eq!(on_disk(&bench), 40);
    assert_eq!(replica.clear_leftovers(2), Ok(false));
    assert_eq!(on_disk(&bench), 20);
    sums_are_right(&replica);
}

/// What is held of the copy of the piece in the middle.
fn held_of_the_second<E: Engine>(replica: &Replica<E>) -> Option<CopyState> {
    let [start, end] = [1_000, 2_000].map(|token| SortKey::at_token(Token(token)));
    replica.copy_in(SYNC_TABLE, &Interval { start, end: Some(end) }).map(|copy| copy.state)
}

pub fn a_shard_that_comes_back_begins_with_nothing(bench: impl Bench) {
    let replica = moved_away(&bench);
    replica.clear_leftovers(9).expect("cleared");
    let received = Some(Copy { role: Role::Receiver, since: Epoch(8) });
    replica.install(pieces(8, [OWNED, received, OWNED]));
    assert_eq!(held_of_the_second(&replica), Some(CopyState::Lossy), "nothing is held of it");
    let gap = replica.gaps(9).pop().expect("it is to be filled");
    replica.take(&gap, &[]).expect("taken");
    assert_eq!(on_disk(&bench), 40);
    fill(&replica, 1);
    replica.whole(&gap).expect("whole");
    assert_eq!(replica.clear_leftovers(9), Ok(false));
    assert_eq!(on_disk(&bench), 60, "a copy is no leftover, whatever it is to its shard");
    // It goes back after all, and comes another time.
    replica.install(pieces(9, [OWNED, None, OWNED]));
    assert_eq!(replica.clear_leftovers(9), Ok(false));
    let received = Some(Copy { role: Role::Receiver, since: Epoch(10) });
    replica.install(pieces(10, [OWNED, received, OWNED]));
    assert_eq!(held_of_the_second(&replica), Some(CopyState::Lossy));
    assert_eq!(on_disk(&bench), 40);
    sums_are_right(&replica);
}

pub fn what_was_given_later_is_not_cleared_under_an_older_catalog(mut bench: impl Bench) {
    let replica = moved_away(&bench);
    replica.clear_leftovers(9).expect("cleared");
    let received = Some(Copy { role: Role::Receiver, since: Epoch(8) });
    replica.install(pieces(8, [OWNED, received, OWNED]));
    let gap = replica.gaps(9).pop().expect("it is to be filled");
    replica.take(&gap, &[]).expect("taken");
    fill(&replica, 1);
    replica.whole(&gap).expect("whole");
    drop(replica);
    bench.restart();
    // The catalog that this start knows first does not have the move.
    let again = super::bench::replica(&bench);
    assert_eq!(again.clear_leftovers(9), Ok(false), "it is behind");
    again.install(pieces(7, [OWNED, None, OWNED]));
    assert_eq!(again.clear_leftovers(9), Ok(false));
    assert_eq!(on_disk(&bench), 60);
    again.install(pieces(9, [OWNED, Some(Copy { role: Role::Owner, since: Epoch(8) }), OWNED]));
    assert!(matches!(read(&again, at(1, 3)), Some(Reply::Record(Some(_)))));
}

pub fn without_trust_nothing_is_cleared(bench: impl Bench) {
    let replica = moved_away(&bench);
    replica.doubt("a test doubts it");
    assert!(replica.clear_leftovers(9).is_err());
    assert_eq!(on_disk(&bench), 60);
}
