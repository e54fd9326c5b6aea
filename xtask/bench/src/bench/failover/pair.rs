//! Two directors that run the same program, configured alike.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use evenkeel_tests::{Article, Evenkeel, Keepalived, Node};

use super::interval::Interval;
use crate::bench::release::paths;

/// Port of the service whose connections are watched.
pub(crate) const ASK: u16 = 7000;
/// Priorities as in the article: of the master, of the backup.
const PRIORITIES: [u8; 2] = [100, 80];

/// What runs on both directors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Program {
    Evenkeel,
    Keepalived,
}

impl Program {
    pub(crate) const ALL: [Self; 2] = [Self::Evenkeel, Self::Keepalived];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "Evenkeel",
            Self::Keepalived => "keepalived",
        }
    }
}

/// One director's program.
#[derive(Debug)]
pub(crate) enum Router {
    Evenkeel(Box<Evenkeel>),
    Keepalived(Box<Keepalived>),
}

impl Router {
    fn new(
        net: &Article,
        node: &Node,
        program: Program,
        interval: Interval,
        priority: u8,
    ) -> Result<Self> {
        Ok(match program {
            Program::Evenkeel => {
                let config = evenkeel(net, interval, priority);
                Self::Evenkeel(Box::new(Evenkeel::with_paths(node, &config, paths())?))
            }
            Program::Keepalived => {
                let config = keepalived(interval, priority);
                Self::Keepalived(Box::new(Keepalived::new(node, &config)?))
            }
        })
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.start(),
            Self::Keepalived(it) => it.start(),
        }
    }

    pub(crate) fn sigterm(&mut self) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.sigterm().map(drop),
            Self::Keepalived(it) => it.sigterm(),
        }
    }

    pub(crate) fn kill9(&mut self) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.kill9(),
            Self::Keepalived(it) => it.kill9(),
        }
    }

    pub(crate) fn log(&self) -> String {
        match self {
            Self::Evenkeel(it) => it.log(),
            Self::Keepalived(it) => it.log(),
        }
    }

    /// `evenkeel vrrp ORDER`; keepalived knows no such thing.
    pub(crate) fn order(&self, order: &str) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.vrrp(order, None),
            Self::Keepalived(_) => Ok(()),
        }
    }
}

/// The routers of the pair, the better one first.
pub(crate) fn routers(
    net: &Article,
    nodes: &[Node],
    program: Program,
    interval: Interval,
) -> Result<Vec<Router>> {
    nodes
        .iter()
        .zip(PRIORITIES)
        .map(|(node, priority)| Router::new(net, node, program, interval, priority))
        .collect()
}

/// How long no advert is missed for a backup of this priority: RFC 3768 section 6.1, RFC 9568 section 6.1.
pub(crate) fn down_time(interval: Interval) -> Duration {
    let skew = f64::from(256 - u16::from(PRIORITIES[1])) / 256.0;
    interval.duration().mul_f64(3.0 + skew)
}

fn evenkeel(net: &Article, interval: Interval, priority: u8) -> String {
    let servers = (0..net.servers.len()).fold(String::new(), |text, number| {
        let address = net.server(number, ASK);
        text + &format!("[[service.server]]\naddress = \"{address}\"\n")
    });
    let password = if interval.version() == 2 {
        "password = \"1111\"\n"
    } else {
        ""
    };
    format!(
        "[[service]]\nname = \"ask\"\nlisten = \"{vip}:{ASK}\"\nscheduler = \"rr\"\n\
         check = {{ plugin = \"tcp\", interval = \"1s\" }}\n{servers}\n\
         [[vrrp]]\nname = \"VI_1\"\ninterface = \"eth0\"\nrouter_id = 51\nversion = {}\npriority = {priority}\n\
         advert_interval = \"{}ms\"\n{password}\
         address = [\n    {{ address = \"{vip}/24\", interface = \"eth0\" }},\n    \
         {{ address = \"{gateway}/24\", interface = \"eth1\" }},\n]\n",
        interval.version(),
        interval.duration().as_millis(),
        vip = Article::VIP,
        gateway = Article::GATEWAY,
    )
}

fn keepalived(interval: Interval, priority: u8) -> String {
    let password = if interval.version() == 2 {
        "    authentication {\n        auth_type PASS\n        auth_pass 1111\n    }\n"
    } else {
        ""
    };
    format!(
        "vrrp_instance VI_1 {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    version {}\n    \
         priority {priority}\n    advert_int {}\n{password}    virtual_ipaddress {{\n        {}/24 dev eth0\n        \
         {}/24 dev eth1\n    }}\n}}\n",
        interval.version(),
        interval.duration().as_secs_f64(),
        Article::VIP,
        Article::GATEWAY,
    )
}
