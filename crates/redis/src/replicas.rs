//! [`Replicas`]: ends that are acknowledged once replicas have them too.

use crate::{RedisOptions, address::RedisAddress, connection::Connection, key::Key, link::Link};
use std::time::Duration;
use vestibule_core::{fault::Fault, id::Home, time::millis};

/// A way of its own to Redis, since whoever waits there for replicas holds up everybody behind.
#[derive(Debug)]
pub(crate) struct Replicas {
    link: Link,
    count: usize,
    within: Duration,
}

impl Replicas {
    /// `None` where nobody is to wait for them.
    pub(crate) fn new(address: RedisAddress, options: &RedisOptions) -> Option<Self> {
        let (count, within) = (options.wait_replicas, options.deadline);
        (count > 0).then(|| Self { link: Link::new(address, options, false), count, within })
    }

    /// Waits until this many replicas have everything that was written to the home's server until now. They acknowledge by place in the
    /// server's one stream of writes, so a write on this connection stands for all before it on others.
    ///
    /// # Errors
    /// [`Fault::Timeout`] where they do not in time: what was written stays written, and a failover may lose it.
    pub(crate) async fn confirm(&self, home: Home) -> Result<(), Fault> {
        let mark = redis::cmd("SET").arg(Key::confirmed(home)).arg("").arg("PX").arg(millis(self.within)).take();
        let wait = redis::cmd("WAIT").arg(self.count).arg(millis(self.within)).take();
        let (mark, wait) = (&mark, &wait);
        let ask = |mut connection: Connection| async move {
            connection.send(mark).await?;
            connection.send(wait).await
        };
        let confirmed = self.link.at(home, self.link.ask(ask)).await;
        if matches!(confirmed, Ok(redis::Value::Int(count)) if usize::try_from(count).is_ok_and(|count| count >= self.count)) {
            return Ok(());
        }
        metrics::counter!("vestibule_redis_unconfirmed_ends_total").increment(1);
        Err(Fault::Timeout)
    }
}
