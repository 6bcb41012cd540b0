//! Redis Cluster: who has which homes, and which start of theirs answers.
//!
//! Slots, redirections and the connections to the nodes are the client library's; a look here makes sure that it has not got stuck.

use crate::{
    bounds,
    connection::{self, Connection, Master, tcp_settings},
    fault::{Call, fault},
    link::bytes,
    start::start_in,
    supervisor::{Shared, odd, soon},
};
use futures_util::future::join_all;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::ConnectionLike,
    cluster::{ClusterClient, ClusterConfig},
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
};
use std::{collections::BTreeSet, io, ops::RangeInclusive, sync::Arc, time::Duration};
use vestibule_core::{
    fault::Fault,
    id::{Home, random},
};

/// Connects, in a bounded time: the library's own connect may wait for ever.
pub(crate) async fn connect(shared: &Arc<Shared>, nodes: &[ConnectionInfo]) -> RedisResult<Connection> {
    let (first, last) = bounds::CLUSTER_RETRY_MS;
    let silence = Duration::from_millis(bounds::PEER_SILENCE_MS);
    let mut builder = ClusterClient::builder(nodes.to_vec())
        .use_protocol(ProtocolVersion::RESP3)
        .tcp_settings(tcp_settings())
        .connection_timeout(shared.options.connect_timeout)
        .response_timeout(silence)
        .overall_response_timeout(None)
        .min_retry_wait(first)
        .max_retry_wait(last)
        .push_sender(on_push(shared));
    if let Some(certificates) = &shared.tls {
        builder = builder.certs(certificates.clone());
    }
    let client = builder.build()?;
    let connected = client.get_async_connection_with_config(ClusterConfig::new());
    let silence = || RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
    let connected = tokio::time::timeout(shared.options.connect_timeout, connected).await;
    match connected.unwrap_or_else(|_| Err(silence())) {
        Ok(connected) => Ok(Connection::Cluster(connected)),
        Err(error) => Err(reason(shared, nodes).await.unwrap_or(error)),
    }
}

/// Why a node that is there lets nobody in. The library only tells that no node did.
async fn reason(shared: &Shared, nodes: &[ConnectionInfo]) -> Option<RedisError> {
    for node in nodes.iter().take(bounds::CLUSTER_ASKED) {
        let asked = async {
            let mut node =
                connection::connect(node.clone(), shared.options.connect_timeout, AsyncConnectionConfig::new()).await?;
            node.req_packed_command(&redis::cmd("PING")).await?.extract_error()
        };
        match soon(asked).await {
            Err(error) if matches!(fault(&error, Call::Read), Fault::Misconfigured(_)) => return Some(error),
            _ => {}
        }
    }
    None
}

/// One of the masters. A node that does not know its own name is reached as one where asking began.
pub(crate) fn any_of(shared: &Shared, nodes: &[ConnectionInfo], masters: &[Master]) -> RedisResult<ConnectionInfo> {
    let pick = |count: usize| usize::from(u16::from_le_bytes(random())) % count.max(1);
    let first = nodes.get(pick(nodes.len())).ok_or_else(|| odd("a Cluster without nodes"))?;
    match masters.get(pick(masters.len())) {
        Some(master) if !master.host.is_empty() => shared.at(&master.host, master.port, first.redis_settings()),
        _ => Ok(first.clone()),
    }
}

/// A node that is gone may come back with old data. This is told on the way of the connection's own bytes, before any answer
/// of a new connection to the node, so nothing that it answers is believed before the next look.
fn on_push(shared: &Arc<Shared>) -> impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static {
    let shared = Arc::downgrade(shared);
    move |push| {
        if push.kind == PushKind::Disconnection
            && let Some(shared) = shared.upgrade()
        {
            shared.starts.set_all(0);
            shared.look_again();
        }
        Ok(())
    }
}

/// Asks who has which slots and, where it matters, which start of theirs that is. One node that does not answer leaves its homes
/// unknown, and nothing else.
pub(crate) async fn look(shared: &Shared, connection: &Connection) -> RedisResult<Arc<[Master]>> {
    let Connection::Cluster(cluster) = connection else { return Err(odd("no Cluster")) };
    let question = redis::cmd("CLUSTER").arg("SLOTS").take();
    let anybody = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let ranges = ranges(cluster.clone().route_command(question, anybody).await?)?;
    if shared.options.know_starts {
        join_all(ranges.iter().map(|range| look_at_start(shared, cluster.clone(), &range.slots))).await;
    }
    let masters: BTreeSet<Master> = ranges.into_iter().map(|range| range.master).collect();
    Ok(masters.into_iter().collect())
}

async fn look_at_start(shared: &Shared, mut cluster: ClusterConnection, slots: &RangeInclusive<u16>) {
    let route = Route::new(*slots.start(), SlotAddr::Master);
    let info = redis::cmd("INFO").arg("server").take();
    let answer = cluster.route_command(info, RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route))).await;
    let info = answer.and_then(Value::extract_error).ok().and_then(|info| bytes(info).ok().flatten());
    let start = info.and_then(|info| start_in(&info)).unwrap_or(0);
    for home in (0..Home::COUNT).filter(|home| slots.contains(&slot_of(*home))) {
        shared.starts.set(home, start);
    }
}

/// The slot of all keys of a home: its number is their hash tag.
fn slot_of(home: usize) -> u16 {
    const SLOTS: u16 = 16_384;
    crc16::State::<crc16::XMODEM>::calculate(home.to_string().as_bytes()) % SLOTS
}

/// Slots that follow each other, and who has them.
struct SlotRange {
    slots: RangeInclusive<u16>,
    master: Master,
}

fn ranges(answer: Value) -> RedisResult<Vec<SlotRange>> {
    let Value::Array(ranges) = answer.extract_error()? else { return Err(odd("CLUSTER SLOTS gave no list")) };
    ranges.into_iter().map(|range| read_range(range).ok_or_else(|| odd("CLUSTER SLOTS gave no range"))).collect()
}

/// First slot, last slot, master, replicas; of each node address, port and more.
fn read_range(range: Value) -> Option<SlotRange> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
    let [Value::BulkString(host), Value::Int(port), ..] = master.as_slice() else { return None };
    let host = String::from_utf8(host.clone()).ok()?;
    let slots = u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?;
    Some(SlotRange { slots, master: Master { host, port: u16::try_from(*port).ok()? } })
}
