//! The parts of a running node, put together and taken apart in order.

use super::beginning::{Beginning, recovering};
use super::folder::{self, Introduction};
use super::{NodeConfig, StartError, admin, damaged, tasks};
use crate::access_note;
use crate::background::Background;
use crate::conduct;
use crate::control::publish::Publisher;
use crate::control::{self, Control, closing, hand_on, voters};
use crate::core::plans::Plans;
use crate::core::{ClusterIdentity, Core, Reached};
use crate::drive::Driver;
use crate::ended::Ended;
use crate::engine::Replica;
use crate::fill::Filler;
use crate::heal;
use crate::heat::Meter;
use crate::hints::{Progress, Replay};
use crate::jobs::Books;
use crate::liveness::Judge;
use crate::owners::Owners;
use crate::peer::{Local, Peers};
use crate::purge::{Purge, PurgeBooks};
use crate::recollection::Recollection;
use crate::recovery::Recovery;
use crate::scan::Scanner;
use crate::switch::Switch;
use crate::sync::Sync;
use crate::views::Views;
use crate::{leftover, sums};
use quorate_coordinator::Context;
use quorate_model::Run;
use quorate_ring::{Catalog, NodeUpdate};
use quorate_storage::{Committer, Engine as _, Identity, RunNote, Stage};
use quorate_transport::{self as transport, Links, PeerCounters, Server, Service, Whereabouts, bind};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long operations that have begun may take to end when a node stops in order.
const OPERATIONS_TIMEOUT: Duration = Duration::from_secs(3);

/// Everything that runs.
pub struct Parts {
    pub core: Arc<Core>,
    pub links: Arc<Links>,
    pub server: Arc<Server>,
    pub committer: Arc<Committer>,
    pub peer_address: SocketAddr,
    pub failed: watch::Sender<Option<Ended>>,
    /// `None` on a disk that was doubted from the start.
    run: Option<Arc<RunNote>>,
    /// Aborted when dropped.
    tasks: JoinSet<()>,
}

/// Opens a listening socket, and says where it listens; `what` will connect there.
pub fn listen(
    what: &'static str,
    address: SocketAddr,
    backlog: u32,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen { what, address, error };
    let listener = bind(address, backlog).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Parts {
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        let (peer_listener, peer_address) = listen("peers", config.peer_listen, config.peer_backlog)?;
        let advertised = config.http_address.clone();
        let peer_advertised = config.peer_advertise.clone().unwrap_or_else(|| peer_address.to_string());
        let boot = folder::draw_boot();
        let introduction = Introduction { config: &config, peer_address: &peer_advertised, boot };
        let mut identity = folder::identify(&introduction, &peer_listener).await?;
        let node = identity.node;
        if identity.stage == Stage::Member {
            identity = folder::accept(&config, identity).await?;
        }
        let mut engine = folder::open(&config, identity.stage).await?;
        if damaged::may_begin_anew(&config, &identity, &engine) {
            let doubt = engine.doubt().map(|doubt| doubt.reason).unwrap_or_default();
            drop(engine);
            damaged::set_aside(&introduction, &mut identity, &doubt).await?;
            engine = folder::open(&config, identity.stage).await?;
        }
        let engine = Arc::new(engine);
        folder::begin_lossy(&config, &mut identity, &engine).await?;
        let run = folder::begin_run(&config, identity.stage, &engine).await?;
        let keeping = folder::sums(&config, identity.cluster, boot);
        let boots = folder::note_boot(&config, boot).await;
        let noted = admin::noted(&config).await?;

        // What keys need.
        let rules = config.rules;
        let (replica_limits, on) = (config.storage.replica, Arc::clone(&engine));
        // Another boot than the coordinator's: both draw stamps.
        let replica_run = Run { incarnation: identity.incarnation, boot: folder::draw_boot() };
        let replica = tokio::task::spawn_blocking(move || {
            Replica::new(on, node, replica_run, rules, replica_limits, keeping)
        });
        let replica = Arc::new(replica.await.map_err(|error| StartError::Runtime(error.to_string()))?);
        let committer = Committer::start(Arc::clone(&replica), config.storage.committer);
        let committer = Arc::new(committer.map_err(|error| StartError::Runtime(error.to_string()))?);
        let views = Arc::new(Views::new(node, Catalog::empty()));
        let this_run = Run { incarnation: identity.incarnation, boot };
        let recovery = Recovery::new(node, Arc::clone(&replica), Arc::clone(&views), config.heal);
        let recovery = Arc::new(recovery);
        let meter = Arc::new(Meter::default());
        let recollection = Arc::new(Recollection::new(
            Arc::clone(&replica),
            Arc::clone(&views),
            Arc::clone(&recovery),
            (node, this_run),
            boots,
            (Arc::clone(&meter), config.shards),
        ));
        let me =
            transport::Identity { cluster: identity.cluster, node, boot, incarnation: identity.incarnation };
        let counters: Arc<dyn PeerCounters> = Arc::clone(&recollection) as Arc<dyn PeerCounters>;
        let (secret, peer_limits) = (config.secret.clone(), config.peer_limits.clone());
        let whereabouts = Whereabouts {
            peer_address: Some(peer_advertised.clone()),
            cluster_name: Some(identity.cluster_name.clone()),
        };
        let links = Links::of(me, whereabouts, secret.clone(), peer_limits.clone(), Arc::clone(&counters));
        let links = Arc::new(links);
        let local = Local::new(
            Arc::clone(&replica),
            Arc::clone(&committer),
            Arc::clone(&views),
            config.storage.reads,
            Background::start().map_err(|error| StartError::Runtime(error.to_string()))?,
            Arc::clone(&meter),
        );
        let peers = Peers::new(
            node,
            Arc::clone(&local),
            Arc::clone(&links),
            Arc::clone(&views),
            Arc::clone(&recollection),
        );

        // The last known catalog says who the members are; they say what they remember of this node.
        let publisher =
            Publisher::new(node, Arc::clone(&replica), Arc::clone(&links), Arc::clone(&views), run.clone());
        let recovering = recovering(&config).await?;
        let beginning = Beginning {
            node,
            engine,
            replica: Arc::clone(&replica),
            publisher: Arc::new(publisher),
            folder: config.data.clone(),
            recovering: recovering.clone().filter(|it| !it.is_alone),
        };
        beginning.last_known_catalog().await;
        let former = views.current().catalog().node(node).map(|known| known.peer_address.clone());
        let former = former.filter(|former| *former != peer_advertised);
        let service = Arc::clone(&peers) as Arc<dyn Service>;
        let server = Server::new(me, secret, peer_limits, service, counters, links.contacts());
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&server).run(peer_listener));
        recollection.hear_members(&links).await;
        if let Some(ended) = Ended::dismissed(node, &links, views.current().catalog()) {
            return Err(StartError::Ended(ended));
        }

        let consensus = beginning.consensus(&links).await?;
        let silent = consensus.is_silent();
        let books = Arc::new(Books::new(node, boot));
        let control = Control::new(
            node,
            identity.cluster_name.clone(),
            consensus,
            Arc::clone(&links),
            Arc::clone(&views),
            (Arc::clone(&replica), Arc::clone(&meter)),
            Arc::clone(&books),
        );
        peers.set_control(Arc::clone(&control));
        local.open();
        let founds = identity.stage == Stage::Founding;
        if founds && !silent {
            let founder = introduction.node(folder::founding_request(&identity));
            let found = control.found(identity.cluster, &identity.cluster_name, founder).await;
            found.map_err(StartError::Founding)?;
            if let Some(first) = &config.admin {
                admin::make_first(&control, first).await?;
            }
        }
        let known = views.current().catalog().node(node).is_some();
        if !silent && (founds || known) {
            become_member(&config, &mut identity)?;
        }

        let reached = Reached { http_address: advertised.clone(), peer_address: peer_advertised.clone() };

        // Operations and what goes on beside them.
        let switch = Switch::new(node, Arc::clone(&local), Arc::clone(&links), Arc::clone(&recollection));
        let driver = Driver::new(Arc::new(switch), Arc::clone(&views), rules);
        let context = Context { local: node, rules, timing: config.timing };
        let scanner = Scanner::new(Arc::clone(&driver), Arc::clone(&views), context);
        let progress = Arc::new(Progress::default());
        let replay = Replay {
            views: Arc::clone(&views),
            links: Arc::clone(&links),
            local: Arc::clone(&local),
            driver: Arc::clone(&driver),
            context,
            progress: Arc::clone(&progress),
            limits: config.replay,
            recollection: Arc::clone(&recollection),
        };
        let owners = || Owners {
            node,
            views: Arc::clone(&views),
            links: Arc::clone(&links),
            recollection: Arc::clone(&recollection),
        };
        let purged = Arc::new(PurgeBooks::default());
        let purge = Purge {
            owners: owners(),
            driver: Arc::clone(&driver),
            local: Arc::clone(&local),
            rules,
            limits: config.purge,
            exchange: config.sync.exchange(),
            bytes_per_second_max: config.sync.bytes_per_second_max as u64,
            books: Arc::clone(&purged),
        };
        let sync = Sync {
            owners: owners(),
            driver: Arc::clone(&driver),
            local: Arc::clone(&local),
            rules,
            limits: config.sync,
            books: Arc::clone(&books),
        };
        let filler = Filler {
            views: Arc::clone(&views),
            links: Arc::clone(&links),
            local: Arc::clone(&local),
            context,
            recollection: Arc::clone(&recollection),
            recovery: Arc::clone(&recovery),
            limits: config.fill,
        };
        let late = Duration::from_micros(context.timing.hedge.0);
        let judge = Judge::new(node, Arc::clone(&links), Arc::clone(&views), late);
        let judge = Arc::new(judge);
        let failed = watch::Sender::new(None);
        tasks.spawn(Arc::clone(&judge).keep());
        tasks.spawn(tasks::keep_out(Arc::clone(&server), Arc::clone(&views)));
        tasks.spawn(tasks::duplicate(Arc::clone(&links), former.is_none(), failed.clone()));
        let looking = Arc::clone(&links);
        tasks.spawn(async move { looking.look_where_found().await });
        if let Some(former) = former.filter(|former| !former.is_empty()) {
            tasks.spawn(tasks::watch_home(Arc::clone(&links), former));
        }
        tasks.spawn(tasks::recollect(
            Arc::clone(&replica),
            Arc::clone(&recollection),
            Arc::clone(&control),
            Arc::clone(&links),
            Arc::clone(&views),
        ));
        let announced = NodeUpdate {
            node,
            boot,
            http_address: advertised,
            peer_address: peer_advertised,
            incarnation: Some(u32::try_from(identity.incarnation).unwrap_or(u32::MAX)),
            accepted: identity.accepted,
        };
        if silent {
            let control = Arc::clone(&control);
            tasks.spawn(tasks::announce_doubtful(control, announced));
        } else if !silent {
            tasks.spawn(Arc::new(replay).keep());
            tasks.spawn(Arc::new(sync).keep());
            tasks.spawn(Arc::new(purge).keep());
            tasks.spawn(Arc::new(filler).keep());
            tasks.spawn(voters::keep(Arc::clone(&control)));
            tasks.spawn(hand_on::keep(Arc::clone(&control)));
            if let Some(recovering) = recovering {
                let folder = config.data.clone();
                tasks.spawn(tasks::recover(
                    node,
                    recovering,
                    Arc::clone(&control),
                    Arc::clone(&views),
                    folder,
                ));
            }
            if let Some(admin) = config.admin.clone().filter(|_| !founds) {
                tasks.spawn(admin::make_again(Arc::clone(&control), admin));
            }
            tasks.spawn(access_note::keep(Arc::clone(&views), config.data.clone(), noted.clone()));
            tasks.spawn(leftover::keep(Arc::clone(&local), Arc::clone(&views), Arc::clone(&recollection)));
            tasks.spawn(sums::keep(Arc::clone(&replica)));
            tasks.spawn(closing::keep(Arc::clone(&control)));
            tasks.spawn(conduct::keep(Arc::clone(&control), Arc::clone(&recollection), rules, config.shards));
            tasks.spawn(Arc::clone(&meter).keep(Arc::clone(&views)));
            tasks.spawn(conduct::tell_leader(Arc::clone(&control), Arc::clone(&recollection)));
            tasks.spawn(tasks::health(Arc::clone(&replica), Arc::clone(&control)));
            tasks.spawn(tasks::announce(
                node,
                Arc::clone(&control),
                Arc::clone(&links),
                Arc::clone(&views),
                announced,
                failed.clone(),
            ));
        }
        tasks.spawn(control::find_members(
            config.entry.addresses().to_vec(),
            identity.cluster,
            Arc::clone(&control),
            Arc::clone(&links),
        ));
        if identity.stage == Stage::Joining && !silent {
            tasks.spawn(tasks::membership(node, Arc::clone(&views), config.data.clone(), identity.clone()));
        }
        let core = Arc::new(Core {
            node,
            cluster: ClusterIdentity { id: identity.cluster, name: identity.cluster_name },
            context,
            views,
            links: Arc::clone(&links),
            local,
            driver,
            scanner,
            control,
            stamps: Mutex::new(context.stamps(boot)),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            hints: progress,
            sync: books,
            purge: purged,
            plans: Plans::new(node, boot, config.fill),
            recovery,
            recollection,
            judge,
            reached,
            access_note: noted,
            folder: config.data.clone(),
            restart: watch::Sender::new(false),
        });
        tasks.spawn(tasks::dismissed(Arc::clone(&core), failed.clone()));
        if config.heal {
            heal::foresee(&core);
            tasks.spawn(heal::keep(Arc::clone(&core)));
        }
        if config.heal && !config.entry.addresses().is_empty() {
            tasks.spawn(damaged::watch(Arc::clone(&core)));
        }
        if silent {
            for reason in core.readiness() {
                tracing::error!(%node, "the node refuses every key: {reason}");
            }
        }
        Ok(Self { core, links, server, committer, peer_address, failed, run, tasks })
    }

    /// Takes it apart in order.
    pub async fn stop(mut self) {
        self.core.drain();
        let until = Instant::now() + OPERATIONS_TIMEOUT;
        while self.core.driver.load().running > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.core.control.stop().await;
        self.tasks.shutdown().await;
        self.links.close();
        self.server.cut(true);
        let committer = Arc::clone(&self.committer);
        let stopped = tokio::task::spawn_blocking(move || committer.stop()).await;
        stopped.expect("stopping a committer does not panic");
        self.end_run().await;
        tracing::info!(node = %self.core.node, "the node has stopped");
    }
}

impl Parts {
    /// Syncs what tables with `durability=os` have left to the operating system, and notes that nothing is missing.
    async fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let replica = Arc::clone(self.core.local.replica());
        let ended = tokio::task::spawn_blocking(move || {
            if replica.is_doubtful() {
                return Ok(());
            }
            if let Err(refusal) = replica.write_sums() {
                tracing::warn!("some sums of chunks are counted again at the next start: {refusal}");
            }
            replica.engine().sync().map_err(|error| error.to_string())?;
            run.end().map_err(|error| error.to_string())
        });
        match ended.await.expect("syncing does not panic") {
            Ok(()) => {}
            // The next start finds a run that did not end in order, and judges it as such.
            Err(error) => tracing::warn!("this run did not end in order: {error}"),
        }
    }
}

/// The folder has come all the way.
fn become_member(config: &NodeConfig, identity: &mut Identity) -> Result<(), StartError> {
    if identity.stage != Stage::Member {
        identity.stage = Stage::Member;
        identity.write(&config.data)?;
    }
    Ok(())
}
