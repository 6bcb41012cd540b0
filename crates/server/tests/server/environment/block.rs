//! The blocks of settings as the guides of five deployments print them, word for word.

/// Sessions on Redis, in place of a database.
pub(super) const SESSIONS_ON_REDIS: &str = "\
# Redis Connection
REDIS_URL=redis://redis:6379

# Session Configuration
SESSION_TTL=3600                    # Session lifetime in seconds (1 hour)
SESSION_CLEANUP_INTERVAL=300        # Cleanup interval in seconds (5 minutes)
";

/// A Redis of a hosting service, by its parts.
pub(super) const HOSTED_REDIS: &str = "\
# Redis Connection
REDIS_HOST=redis-12649.c328.europe-west3-1.gce.redns.redis-cloud.com
REDIS_PORT=12649
REDIS_PASSWORD=your_redis_password_here
REDIS_DB=0

# Session Security
SESSION_SECRET_KEY=your_session_secret_key_here
CSRF_SECRET_KEY=your_csrf_secret_key_here

# Session Configuration
SESSION_TIMEOUT_MINUTES=480
REDIS_MAX_CONNECTIONS=20
";

/// The same as the hosting service of the application wants it.
pub(super) const HOSTED_REDIS_YAML: &str = r#"
env:
- name: REDIS_HOST
  value: "redis-12649.c328.europe-west3-1.gce.redns.redis-cloud.com"
- name: REDIS_PORT
  value: "12649"
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: redis-credentials
      key: password
- name: SESSION_SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: session-secrets
      key: session-key
- name: CSRF_SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: session-secrets
      key: csrf-key
"#;

/// A database of Redis for each purpose.
pub(super) const PURPOSES: &str = "\
# Basic Redis Configuration
REDIS_URL=redis://localhost:6379/1
REDIS_SESSION_URL=redis://localhost:6379/2
REDIS_RATE_LIMIT_URL=redis://localhost:6379/3
REDIS_CACHE_WARMING_URL=redis://localhost:6379/4

# Redis Cluster Configuration (optional)
REDIS_CLUSTER_ENABLED=False
REDIS_CLUSTER_NODES=host1:6379,host2:6379,host3:6379
REDIS_SENTINEL_ENABLED=False
REDIS_SENTINEL_HOSTS=sentinel1:26379,sentinel2:26379,sentinel3:26379
REDIS_MASTER_NAME=mymaster

# Redis Connection Settings
REDIS_CONNECTION_POOL_SIZE=100
REDIS_CONNECTION_TIMEOUT=5
REDIS_HEALTH_CHECK_INTERVAL=30
";

/// What the same guide changes for a cluster.
pub(super) const PURPOSES_CLUSTER: &str = "
   REDIS_CLUSTER_ENABLED=True
   REDIS_CLUSTER_NODES=redis1:6379,redis2:6379,redis3:6379
";

/// What it changes for Sentinels.
pub(super) const PURPOSES_SENTINEL: &str = "
   REDIS_SENTINEL_ENABLED=True
   REDIS_SENTINEL_HOSTS=sentinel1:26379,sentinel2:26379
   REDIS_MASTER_NAME=mymaster
";

/// One URL, and its forms for production in comments.
pub(super) const TOKENS_ON_REDIS: &str = "\
# Redis Configuration
REDIS_URL=redis://localhost:6379/0
REDIS_MAX_CONNECTIONS=50

# For production with password
# REDIS_URL=redis://:password@localhost:6379/0

# For Redis Cluster
# REDIS_URL=redis://node1:6379,node2:6379,node3:6379/0
";

pub(super) const TOKENS_SENTINEL: &str = "REDIS_URL=redis://sentinel1:26379,sentinel2:26379/0?sentinel=mymaster\n";
pub(super) const TOKENS_CLUSTER: &str = "REDIS_URL=redis://node1:6379,node2:6379,node3:6379/0\n";
pub(super) const TOKENS_PASSWORD: &str = "REDIS_URL=redis://:your_strong_password@localhost:6379/0\n";
pub(super) const TOKENS_TLS: &str = "REDIS_URL=rediss://localhost:6379/0  # Note: rediss:// for SSL\n";

/// Redis as a cache of sessions in a database.
pub(super) const CACHED_SESSIONS: &str = "\
# Redis Configuration
REDIS_URL=redis://localhost:6379
REDIS_PASSWORD=your_redis_password
REDIS_DB=0  # Default database

# Session Configuration
SESSION_SECRET=your_session_secret_here
SESSION_TTL=604800  # 7 days in seconds
";

/// What its compose file gives to the container of Redis.
pub(super) const CACHED_SESSIONS_COMPOSE: &str = "
    environment:
      - REDIS_PASSWORD=your_redis_password
";
