use super::*;
use crate::{
    Answer,
    bus::{Doubt, LocalBus, Repeats},
    token::{NewDenials, command::*},
    user::Context,
};
use parking_lot::Mutex;
use std::{pin::Pin, time::Duration};

const TAG: UserTag = UserTag::from_bytes([7; 12]);
const FAMILY: [u8; 12] = [1; 12];
const LONG: Timestamp = Timestamp::from_millis(1 << 46);

fn denial(what: Denied) -> Denial {
    Denial { tag: TAG, what, until: LONG }
}

fn not_asked<T>() -> Answer<'static, T> {
    Box::pin(async { Err(Fault::Unavailable("only denials are asked for".into())) })
}

/// Answers with what it is given, or fails where it is given nothing. Its places are counts of the answers so far.
#[derive(Default)]
struct Store(Mutex<Option<Vec<Denial>>>, Mutex<Vec<DenialPlace>>);

impl TokenStore for Store {
    fn issue(&self, _: Context, _: IssueFamily) -> Answer<'_, IssueOutcome> {
        not_asked()
    }

    fn refresh(&self, _: Context, _: Refresh) -> Answer<'_, RefreshOutcome> {
        not_asked()
    }

    fn revoke(&self, _: Context, _: RevokeTokens) -> Answer<'_, RevokeOutcome> {
        not_asked()
    }

    fn denials(&self, _: Timestamp, after: DenialPlace) -> Answer<'_, NewDenials> {
        let mut asked = self.1.lock();
        asked.push(after);
        let place = DenialPlace::new([asked.len() as u64]);
        let known = self.0.lock().clone();
        Box::pin(async { known.map(|denials| NewDenials { denials, place }).ok_or(Fault::Timeout) })
    }
}

/// A bus that may stop to hear itself.
#[derive(Debug)]
struct Line {
    local: LocalBus,
    cut_at: Mutex<Option<Instant>>,
}

impl Bus for Line {
    fn publish(&self, signal: Signal) {
        self.local.publish(signal);
    }

    fn relay(&self, signal: Signal) {
        self.local.relay(signal);
    }

    fn admit_loss(&self) {
        self.local.admit_loss();
    }

    fn subscribe(&self) -> Subscription {
        self.local.subscribe()
    }

    fn attach(&self, listener: Weak<dyn Listener>) {
        self.local.attach(listener);
    }

    fn nodes(&self) -> usize {
        self.local.nodes()
    }

    fn silence(&self) -> Duration {
        self.cut_at.lock().map_or(Duration::ZERO, |at| at.elapsed())
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.local.close()
    }
}

struct Node {
    list: Arc<DenyList>,
    store: Arc<Store>,
    line: Arc<Line>,
}

impl Node {
    fn start(known: Option<Vec<Denial>>, clock: Clock) -> Self {
        let store = Arc::new(Store(Mutex::new(known), Mutex::default()));
        let line = Arc::new(Line { local: LocalBus::new(Repeats::Told), cut_at: Mutex::default() });
        let list = DenyList::start(store.clone(), line.clone(), clock);
        Self { list, store, line }
    }

    async fn ready() -> Self {
        let node = Self::start(Some(Vec::new()), Clock::system());
        node.until(Believed::Fine, [0; 12], FAMILY).await;
        node
    }

    fn check(&self, token: [u8; 12], family: [u8; 12]) -> Believed {
        self.list.check(TAG, &token, &family, 1)
    }

    /// Waits for an answer.
    async fn until(&self, expected: Believed, token: [u8; 12], family: [u8; 12]) {
        let wait = async {
            while self.check(token, family) != expected {
                time::sleep(Duration::from_millis(2)).await;
            }
        };
        time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("never {expected:?}"));
    }
}

/// S56: a node that has just started knows what was denied before.
#[tokio::test]
async fn nothing_is_believed_before_the_first_answer_of_the_store() {
    let node = Node::start(None, Clock::system());
    node.line.publish(Signal::denied(&[denial(Denied::Token([9; 12]))]).expect("one"));
    time::sleep(bounds::DENY_LIST_TICK * 2).await;
    assert_eq!(node.check([2; 12], FAMILY), Believed::Unready);
    *node.store.0.lock() = Some(vec![denial(Denied::Token([2; 12]))]);
    node.until(Believed::Denied, [2; 12], FAMILY).await;
    assert_eq!(node.check([3; 12], FAMILY), Believed::Fine);
    assert_eq!(node.check([9; 12], FAMILY), Believed::Denied, "heard before the answer");
}

#[tokio::test]
async fn each_kind_of_denial_is_heard() {
    let node = Node::ready().await;
    for (what, token, family) in [(Denied::Token([2; 12]), [2; 12], [0; 12]), (Denied::Family([3; 12]), [0; 12], [3; 12])] {
        assert_eq!(node.check(token, family), Believed::Fine);
        node.line.publish(Signal::denied(&[denial(what)]).expect("one"));
        node.until(Believed::Denied, token, family).await;
    }
    assert_eq!(node.check([0; 12], [0; 12]), Believed::Fine);
    node.line.publish(Signal::denied(&[denial(Denied::Before(2))]).expect("one"));
    node.until(Believed::Denied, [0; 12], [0; 12]).await;
    assert_eq!(node.list.check(TAG, &[0; 12], &[0; 12], 2), Believed::Fine, "S57: what was given after it");
    assert_eq!(node.list.check(UserTag::from_bytes([8; 12]), &[2; 12], &[3; 12], 0), Believed::Fine, "somebody else");
    assert_eq!((node.list.len(), node.list.all().len()), (3, 3));
}

/// What the bus did not carry is read; what the store does not have any more stays.
#[tokio::test]
async fn a_doubt_adds_and_takes_nothing_away() {
    let node = Node::ready().await;
    node.line.publish(Signal::denied(&[denial(Denied::Token([2; 12]))]).expect("one"));
    node.until(Believed::Denied, [2; 12], FAMILY).await;
    *node.store.0.lock() = Some(vec![denial(Denied::Token([3; 12]))]);
    node.line.local.doubt(Doubt::Gap);
    node.until(Believed::Denied, [3; 12], FAMILY).await;
    assert_eq!(node.check([2; 12], FAMILY), Believed::Denied, "a store that lost it changes nothing");
}

/// A doubt that the store does not lift is an end of belief, until it does.
#[tokio::test]
async fn a_doubt_that_lasts_is_unready() {
    let node = Node::ready().await;
    *node.store.0.lock() = None;
    node.line.local.doubt(Doubt::Silence);
    node.until(Believed::Unready, [2; 12], FAMILY).await;
    *node.store.0.lock() = Some(Vec::new());
    node.until(Believed::Fine, [2; 12], FAMILY).await;
}

/// Either the bus or the store is enough; neither is not.
#[tokio::test]
async fn whoever_has_no_contact_believes_nothing() {
    let node = Node::ready().await;
    *node.store.0.lock() = None;
    time::sleep(bounds::DENY_LIST_TICK * 2).await;
    assert_eq!(node.check([2; 12], FAMILY), Believed::Fine, "the bus alone");
    *node.line.cut_at.lock() = Some(Instant::now());
    node.until(Believed::Unready, [2; 12], FAMILY).await;
    let silence = node.line.silence();
    assert!(silence >= bounds::DENY_LIST_SILENCE, "after {silence:?}");
    *node.store.0.lock() = Some(vec![denial(Denied::Token([3; 12]))]);
    node.until(Believed::Fine, [2; 12], FAMILY).await;
    assert_eq!(node.check([3; 12], FAMILY), Believed::Denied, "the store alone");
}

#[tokio::test]
async fn what_is_over_leaves() {
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000));
    let until = Timestamp::from_millis(1_500_000);
    let node = Node::start(Some(vec![Denial { until, ..denial(Denied::Token([2; 12])) }]), clock);
    node.until(Believed::Denied, [2; 12], FAMILY).await;
    *node.store.0.lock() = Some(Vec::new());
    hand.set(until);
    node.until(Believed::Fine, [2; 12], FAMILY).await;
    assert!(node.list.is_empty());
}

/// A bus that says nothing has the store asked ten times a second: for what is new, and not for all each time.
#[tokio::test]
async fn while_the_bus_is_silent_only_what_is_new_is_read() {
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000));
    let node = Node::start(Some(Vec::new()), clock);
    let asked = async |count: usize| {
        while node.store.1.lock().len() < count {
            time::sleep(Duration::from_millis(2)).await;
        }
        node.store.1.lock()[..count].to_vec()
    };
    *node.line.cut_at.lock() = Some(Instant::now());
    let wait = |count| time::timeout(Duration::from_secs(10), asked(count));
    let places = wait(4).await.expect("it is asked over and over");
    let expected = [vec![], vec![1], vec![2], vec![3]].map(DenialPlace::new);
    assert_eq!(places, expected);
    hand.set(Timestamp::from_millis(1_000_000).plus_ms(millis(bounds::DENY_LIST_RECONCILE)));
    let so_far = node.store.1.lock().len();
    let places = wait(so_far + 3).await.expect("it is asked on");
    let whole = places.iter().skip(1).filter(|place| **place == DenialPlace::default()).count();
    assert_eq!(whole, 1, "once in a while all of it: {places:?}");
}
