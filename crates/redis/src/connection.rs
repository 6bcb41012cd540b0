//! [`Connection`]: to one server, or to all of a Cluster.

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
    io::tcp::TcpSettings,
};
use std::time::Duration;

use crate::bounds;

/// A connection that calls share.
#[derive(Clone)]
pub(crate) enum Connection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To whichever servers have the slots.
    Cluster(ClusterConnection),
}

/// The name of a master, as others reach it. Empty where there is only one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Master {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Connection {
    /// Sends one command, in a Cluster to the server that has its keys.
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(server) => server.req_packed_command(command).await,
            Self::Cluster(cluster) => cluster.req_packed_command(command).await,
        }?
        .extract_error()
    }

    /// Sends several commands in one trip: in a Cluster one to each server that has some of the keys, all at once.
    pub(crate) async fn send_all(&mut self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server(server) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                commands.iter().for_each(|command| {
                    pipeline.add_command(command.clone());
                });
                let answers = server.req_packed_commands(&pipeline, 0, commands.len()).await?;
                answers.into_iter().map(Value::extract_error).collect()
            }
            Self::Cluster(cluster) => {
                let send = |command: &Cmd| {
                    let (mut cluster, command) = (cluster.clone(), command.clone());
                    async move { cluster.req_packed_command(&command).await?.extract_error() }
                };
                futures_util::future::try_join_all(commands.iter().map(send)).await
            }
        }
    }

    /// Sends a command without keys to one master.
    pub(crate) async fn send_to(&mut self, master: &Master, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(server) => server.req_packed_command(command).await,
            Self::Cluster(cluster) => {
                let at = SingleNodeRoutingInfo::ByAddress { host: master.host.clone(), port: master.port };
                cluster.route_command(command.clone(), RoutingInfo::SingleNode(at)).await
            }
        }?
        .extract_error()
    }

    /// Sends a command without keys to every master, and tells which one said what.
    pub(crate) async fn send_to_masters(&mut self, command: &Cmd) -> RedisResult<Vec<(String, Value)>> {
        match self {
            Self::Server(server) => Ok(vec![(String::new(), server.req_packed_command(command).await?.extract_error()?)]),
            Self::Cluster(cluster) => {
                let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = cluster.route_command(command.clone(), everywhere).await?;
                let answers: Vec<(String, Value)> = redis::from_redis_value(answers)?;
                answers.into_iter().map(|(name, answer)| Ok((name, answer.extract_error()?))).collect()
            }
        }
    }
}

/// A half-open connection would else swallow calls until the system's own limit, a quarter of an hour.
pub(crate) fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(Duration::from_millis(bounds::PEER_SILENCE_MS))
}

/// Connects to one server. Calls have their own deadline.
pub(crate) async fn connect(
    info: ConnectionInfo,
    within: Duration,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let client = Client::open(info.set_tcp_settings(tcp_settings()))?;
    let config = config.set_connection_timeout(Some(within)).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}
