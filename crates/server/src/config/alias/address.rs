//! The address of Redis, from whichever names give it: Sentinels, cluster nodes, a URL, or a host and a port.

use super::Aliases;

const URL: &str = "store.url";

/// The ways to say it, the first that applies wins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Sentinels,
    Cluster,
    Url,
    UrlFile,
    Host,
}

/// Every name and the way it belongs to.
const NAMES: [(&str, Way); 11] = [
    ("REDIS_SENTINEL_ENABLED", Way::Sentinels),
    ("REDIS_SENTINEL_HOSTS", Way::Sentinels),
    ("REDIS_MASTER_NAME", Way::Sentinels),
    ("REDIS_SENTINEL_MASTER_NAME", Way::Sentinels),
    ("REDIS_CLUSTER_ENABLED", Way::Cluster),
    ("REDIS_CLUSTER_NODES", Way::Cluster),
    ("REDIS_URL", Way::Url),
    ("REDIS_URL_FILE", Way::UrlFile),
    ("REDIS_HOST", Way::Host),
    ("REDIS_PORT", Way::Host),
    ("REDIS_USERNAME", Way::Host),
];

impl Way {
    /// The name that stands for it in a message.
    fn name(self) -> &'static str {
        match self {
            Self::Sentinels => "REDIS_SENTINEL_HOSTS",
            Self::Cluster => "REDIS_CLUSTER_NODES",
            Self::Url => "REDIS_URL",
            Self::UrlFile => "REDIS_URL_FILE",
            Self::Host => "REDIS_HOST",
        }
    }

    /// The name that turns it on or off, for those that are more than an address.
    fn switch(self) -> Option<&'static str> {
        match self {
            Self::Sentinels => Some("REDIS_SENTINEL_ENABLED"),
            Self::Cluster => Some("REDIS_CLUSTER_ENABLED"),
            Self::Url | Self::UrlFile | Self::Host => None,
        }
    }
}

/// Sets the address. Returns the name that puts everything onto Sentinels or a cluster, if one does.
pub(super) fn apply(aliases: &mut Aliases<'_>) -> Option<&'static str> {
    let way = choose(aliases);
    let tls = tls(aliases, way);
    if let Some(way) = way {
        set(aliases, way, tls);
    }
    for (name, of) in NAMES {
        if aliases.given(name).is_some() && Some(of) != way {
            let reason = reason(aliases, name, of, way);
            aliases.ignore(name, reason);
        }
    }
    way.filter(|way| way.switch().is_some()).map(Way::name)
}

fn choose(aliases: &mut Aliases<'_>) -> Option<Way> {
    let single = [Way::Url, Way::UrlFile, Way::Host].into_iter().find(|way| aliases.plain(way.name()).is_some());
    let mut many = [Way::Sentinels, Way::Cluster]
        .map(|way| is_chosen(aliases, way, single.is_some()).then_some(way))
        .into_iter()
        .flatten();
    let (first, second) = (many.next(), many.next());
    if second.is_some() {
        aliases.problem("REDIS_CLUSTER_ENABLED", "REDIS_SENTINEL_ENABLED says otherwise; keep one of them");
    }
    first.or(single)
}

/// Without its switch a list of hosts counts where nothing else says the address.
fn is_chosen(aliases: &mut Aliases<'_>, way: Way, has_other: bool) -> bool {
    let hosts = aliases.plain(way.name()).is_some();
    let Some(switch) = way.switch() else { return hosts };
    match is_on(aliases, switch) {
        Some(true) if !hosts => {
            aliases.problem(switch, format!("{} is missing", way.name()));
            false
        }
        Some(is_on) => is_on,
        None => hosts && !has_other,
    }
}

fn is_on(aliases: &mut Aliases<'_>, name: &str) -> Option<bool> {
    match aliases.plain(name)?.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => {
            aliases.problem(name, "expected true or false");
            Some(false)
        }
    }
}

/// Whether the address is one of TLS. A URL says so itself, and is not to be less safe than was asked for.
fn tls(aliases: &mut Aliases<'_>, way: Option<Way>) -> bool {
    let mut tls = false;
    for name in ["REDIS_SSL", "REDIS_TLS"] {
        let Some(is_on) = is_on(aliases, name) else { continue };
        let url = aliases.plain("REDIS_URL").filter(|_| way == Some(Way::Url));
        match way {
            Some(Way::Url) if is_on && url.is_some_and(|url| !url.starts_with("rediss")) => {
                aliases.problem(name, "REDIS_URL is one without TLS; write rediss:// there");
            }
            Some(Way::Url | Way::UrlFile) => aliases.ignore(name, "the URL says whether there is TLS"),
            Some(_) => aliases.part_of(name, URL),
            None => aliases.ignore(name, "there is no address of Redis"),
        }
        tls |= is_on;
    }
    tls
}

fn set(aliases: &mut Aliases<'_>, way: Way, tls: bool) {
    let scheme = if tls { "rediss" } else { "redis" };
    let Some(text) = aliases.plain(way.name()) else { return };
    let text = match way {
        Way::Sentinels => {
            let master = ["REDIS_MASTER_NAME", "REDIS_SENTINEL_MASTER_NAME"].iter().find_map(|name| aliases.plain(name));
            format!("{scheme}+sentinel://{text}/{}", master.unwrap_or("mymaster"))
        }
        Way::Cluster => format!("{scheme}+cluster://{text}"),
        Way::UrlFile => {
            aliases.set(way.name(), "store.url_file", text.to_owned());
            return;
        }
        Way::Url => text.to_owned(),
        Way::Host => host(aliases, scheme, text),
    };
    for (name, _) in NAMES.into_iter().filter(|(_, of)| *of == way) {
        if aliases.plain(name).is_some() && !aliases.is_found(name) {
            aliases.part_of(name, URL);
        }
    }
    aliases.set(way.name(), URL, text);
}

fn host(aliases: &mut Aliases<'_>, scheme: &str, host: &str) -> String {
    let port = aliases.plain("REDIS_PORT").unwrap_or("6379");
    let port = if port.contains("://") {
        aliases.ignore("REDIS_PORT", "it is the link that Kubernetes makes for a service; REDIS_HOST is asked at port 6379");
        "6379"
    } else {
        port
    };
    let user = aliases.plain("REDIS_USERNAME").map(|user| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{host}:{port}")
}

fn reason(aliases: &Aliases<'_>, name: &str, of: Way, way: Option<Way>) -> String {
    let switch = of.switch().filter(|switch| aliases.plain(switch).is_some());
    match (switch, way) {
        (Some(switch), _) if switch == name => "it is off".to_owned(),
        (Some(switch), _) => format!("{switch} is off"),
        (None, Some(way)) => format!("{} says where Redis is", way.name()),
        (None, None) => format!("{} is missing", of.name()),
    }
}
