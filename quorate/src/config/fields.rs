//! Everything one node can be told, and what holds where nothing was said.

use crate::process::LogFormat;
use quorate_client::Endpoint;
use quorate_coordinator::Timing;
use quorate_http::Limits;
use quorate_node::FillLimits;
use quorate_node::StorageConfig;
use quorate_node::automatic::ShardLimits;
use quorate_node::hints::ReplayLimits;
use quorate_node::purge::PurgeLimits;
use quorate_node::sync::SyncLimits;
use quorate_ring::Weight;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Everything one node can be told. Each field is described in [`super::settings`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Where clients and administration are answered.
    pub listen: SocketAddr,
    /// Where peers are answered.
    pub peer_listen: SocketAddr,
    /// Where clients can reach `listen`.
    pub advertise: Option<Endpoint>,
    /// Where peers can reach `peer_listen`.
    pub peer_advertise: Option<Endpoint>,
    /// Other names under which clients reach this node.
    pub allowed_hosts: Vec<String>,
    /// The node's label.
    pub name: Option<String>,
    /// The node's failure domain.
    pub zone: String,
    /// The node's share of the data, relative to others.
    pub weight: Weight,
    /// Found a cluster in an empty folder.
    pub bootstrap: bool,
    /// The name of the cluster that is founded.
    pub cluster_name: Option<String>,
    /// Members to ask for admission.
    pub join: Vec<Endpoint>,
    /// Give itself a share once it has joined.
    pub auto: bool,
    /// The member as which an empty folder comes back.
    pub replace_self: Option<String>,
    /// A file with the secret that all members share.
    pub secret_file: Option<PathBuf>,
    /// Serve clients on a network without TLS.
    pub insecure: bool,
    /// Switch access control on in a cluster that is founded.
    pub access: bool,
    /// A file for the token of the first admin.
    pub admin_token_file: Option<PathBuf>,
    /// Give the user admin a new token.
    pub reset_admin: bool,
    /// Answer metrics to everyone.
    pub metrics_open: bool,
    /// Where administrative acts are written down.
    pub audit_file: Option<PathBuf>,
    /// Refuse acts that can't be written down first.
    pub audit_required: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are.
    pub log_filter: String,
    /// Where the kernel says which run of the machine this is.
    pub boot_id_file: Option<PathBuf>,
    /// What clients may make this node hold.
    pub limits: Limits,
    /// Limits of the traffic between members.
    pub peer_limits: quorate_transport::Limits,
    /// Limits of the storage.
    pub storage: StorageConfig,
    /// Whether a node that doubts its disk heals by itself.
    pub heal: bool,
    /// Limits of the replay of hints.
    pub replay: ReplayLimits,
    /// When owners compare what they hold, and how fast.
    pub sync: SyncLimits,
    /// How fast copies are filled.
    pub fill: FillLimits,
    /// When removals go.
    pub purge: PurgeLimits,
    /// Whether shards change by themselves.
    pub reshard: bool,
    /// When they do.
    pub shards: ShardLimits,
    /// How patient an operation is.
    pub timing: Timing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            peer_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7500)),
            advertise: None,
            peer_advertise: None,
            allowed_hosts: Vec::new(),
            name: None,
            zone: "default".to_owned(),
            weight: Weight::ONE,
            bootstrap: false,
            cluster_name: None,
            join: Vec::new(),
            auto: false,
            replace_self: None,
            secret_file: None,
            insecure: false,
            access: false,
            admin_token_file: None,
            reset_admin: false,
            metrics_open: false,
            audit_file: None,
            audit_required: false,
            log_format: LogFormat::Auto,
            log_filter: "info".to_owned(),
            boot_id_file: None,
            limits: Limits::default(),
            peer_limits: quorate_transport::Limits::default(),
            storage: StorageConfig::default(),
            heal: true,
            replay: ReplayLimits::default(),
            sync: SyncLimits::default(),
            fill: FillLimits::default(),
            purge: PurgeLimits::default(),
            reshard: true,
            shards: ShardLimits::default(),
            timing: Timing::default(),
        }
    }
}
