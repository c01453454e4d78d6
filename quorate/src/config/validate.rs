//! Relations between settings, and binds that would not be safe. Each refusal is one sentence that names the way out.

mod limits;

use super::error::{Error, refuse};
use super::fields::Config;
use crate::process;
use quorate_client::Endpoint;
use std::net::{IpAddr, SocketAddr};

/// Longest name of a node or a zone, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Shortest secret, in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// Checks everything that can be known without touching the data folder or the network.
pub fn validate(config: &Config) -> Result<(), Error> {
    exposure(config)?;
    admins(config)?;
    addresses(config)?;
    names(config)?;
    founding(config)?;
    process::log_filter(&config.log_filter).map_err(|error| Error::Relation(error.to_string()))?;
    limits::check(config)
}

fn exposure(config: &Config) -> Result<(), Error> {
    refuse(!config.listen.ip().is_loopback() && !config.insecure, || {
        format!(
            "listen {} can be reached from the network, where there is no TLS yet: others on it can read keys, values and \
             tokens: listen on 127.0.0.1, or say --insecure to serve everyone who can reach it",
            config.listen
        )
    })?;
    refuse(!config.peer_listen.ip().is_loopback() && config.secret_file.is_none(), || {
        format!(
            "peer_listen {} can be reached from the network and there is no cluster secret: \
             name a file with one by --secret-file, the same on every member, or listen on 127.0.0.1",
            config.peer_listen
        )
    })
}

fn admins(config: &Config) -> Result<(), Error> {
    refuse(config.admin_token_file.is_some() && !config.access && !config.reset_admin, || {
        "--admin-token-file is for the token of an admin that is made: say --access with --bootstrap, or --reset-admin"
            .to_owned()
    })
}

fn addresses(config: &Config) -> Result<(), Error> {
    let anywhere = |address: SocketAddr| address.ip().is_unspecified();
    refuse(anywhere(config.listen) && config.advertise.is_none(), || {
        format!("listen {} is no address others can use: say --advertise host:port too", config.listen)
    })?;
    refuse(anywhere(config.peer_listen) && config.peer_advertise.is_none(), || {
        format!(
            "peer_listen {} is no address members can use: say --peer-advertise host:port too",
            config.peer_listen
        )
    })?;
    for (setting, endpoint) in [("advertise", &config.advertise), ("peer_advertise", &config.peer_advertise)]
    {
        let host = endpoint.as_ref().map_or("", |endpoint| endpoint.host()).trim_matches(['[', ']']);
        refuse(host.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified()), || {
            format!("{setting} {host} is no address others can use: say how they reach this node")
        })?;
    }
    for host in &config.allowed_hosts {
        refuse(host.parse::<Endpoint>().is_err(), || {
            format!(
                "allowed_hosts: '{}' is no host: write each as host or host:port; there are no wildcards",
                host.escape_default()
            )
        })?;
    }
    refuse(config.listen == config.peer_listen && config.listen.port() != 0, || {
        format!("listen and peer_listen are both {}: clients and peers need a port each", config.listen)
    })
}

/// Whether a name of a node or a zone may have this character.
pub fn is_legal_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn names(config: &Config) -> Result<(), Error> {
    let good = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_legal_in_name);
    for (setting, name) in [("name", config.name.as_deref()), ("zone", Some(config.zone.as_str()))] {
        refuse(name.is_some_and(|name| !good(name)), || {
            format!("{setting} has 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.'")
        })?;
    }
    Ok(())
}

fn founding(config: &Config) -> Result<(), Error> {
    refuse(config.bootstrap && config.cluster_name.is_none(), || {
        "--bootstrap founds a new cluster and needs its name: say --cluster-name NAME too".to_owned()
    })?;
    refuse(config.replace_self.is_some() && config.bootstrap, || {
        "--replace-self comes back to a cluster that lives, and --bootstrap founds one: leave --bootstrap out"
            .to_owned()
    })?;
    refuse(config.replace_self.is_some() && config.join.is_empty(), || {
        "--replace-self needs members to ask: say --join HOST:PORT too, the HTTP address of any other member"
            .to_owned()
    })?;
    refuse(config.auto && config.bootstrap, || {
        "--auto gives a share to a node that joins, and --bootstrap founds a cluster: leave one of them out"
            .to_owned()
    })?;
    refuse(config.auto && config.join.is_empty(), || {
        "--auto is for a node that joins: say --join HOST:PORT too, the HTTP address of any other member"
            .to_owned()
    })?;
    let good = config.cluster_name.as_deref().is_none_or(quorate_model::table::is_table_name);
    refuse(!good, || "cluster_name has 1 to 64 of a-z, 0-9, '_' and '-'".to_owned())
}
