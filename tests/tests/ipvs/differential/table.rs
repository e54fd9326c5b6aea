//! The table: configurations of keepalived, each with what it comes to.

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the virtual server is called, several with " and " between them; then lines of it.
    pub(crate) service: &'static str,
    /// Address and port, and further lines, of each real server.
    pub(crate) servers: &'static [(&'static str, &'static str)],
    /// What `ipvsadm -Sn` prints then, sorted.
    pub(crate) rules: &'static [&'static str],
    /// What [`Node::ipvs_thresholds`](evenkeel_tests::Node::ipvs_thresholds) tells then.
    pub(crate) thresholds: &'static [&'static str],
    /// The kernel's scheduler by which Evenkeel follows, where it is another one than keepalived's.
    pub(crate) followed_by: Option<&'static str>,
}

impl Case {
    /// The text for both.
    pub(crate) fn config(&self) -> String {
        let (heads, lines) = self.service.split_once('\n').unwrap_or((self.service, ""));
        let servers: String = self
            .servers
            .iter()
            .map(|(address, lines)| format!("    real_server {address} {{\n{lines}\n    }}\n"))
            .collect();
        heads
            .split(" and ")
            .map(|head| {
                format!("virtual_server {head} {{\n    delay_loop 1\n{lines}\n{servers}}}\n")
            })
            .collect()
    }

    /// The rules with Evenkeel's scheduler.
    pub(crate) fn followed(&self) -> Vec<String> {
        let rules = self.rules.iter().map(|rule| {
            let mut words: Vec<&str> = rule.split(' ').collect();
            let scheduler = words.iter().position(|word| *word == "-s");
            if let (Some(at), Some(name)) = (scheduler, self.followed_by) {
                words[at + 1] = name;
            }
            words.join(" ")
        });
        let mut rules: Vec<String> = rules.collect();
        rules.sort();
        rules
    }
}

const PAIR: &[(&str, &str)] = &[
    ("172.16.50.157 80", "weight 1"),
    ("172.16.50.159 80", "weight 1"),
];
const PAIR6: &[(&str, &str)] = &[
    ("fd00:50::157 80", "weight 1"),
    ("fd00:50::159 80", "weight 1"),
];
const CHECKED: &[(&str, &str)] = &[
    (
        "172.16.50.157 80",
        "weight 2\nTCP_CHECK {\nconnect_timeout 1\n}",
    ),
    (
        "172.16.50.159 80",
        "weight 3\nTCP_CHECK {\nconnect_timeout 1\n}",
    ),
    (
        "172.16.50.161 80",
        "weight 5\nTCP_CHECK {\nconnect_timeout 1\n}",
    ),
];
const INHIBITED: &[(&str, &str)] = &[
    (
        "172.16.50.157 80",
        "weight 2\ninhibit_on_failure\nTCP_CHECK {\nconnect_timeout 1\n}",
    ),
    (
        "172.16.50.159 80",
        "weight 3\ninhibit_on_failure\nTCP_CHECK {\nconnect_timeout 1\n}",
    ),
    (
        "172.16.50.161 80",
        "weight 5\ninhibit_on_failure\nTCP_CHECK {\nconnect_timeout 1\n}",
    ),
];

/// 172.16.50.157 and .161 listen on port 80, 172.16.50.159 does not.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "the article's service",
        service: "10.10.54.151 80\nlb_algo rr\nlb_kind NAT\nprotocol TCP",
        servers: PAIR,
        rules: &[
            "-A -t 10.10.54.151:80 -s rr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "direct routing, weights",
        service: "10.10.54.151 80\nlb_algo wrr\nlb_kind DR\nprotocol TCP",
        servers: &[
            ("172.16.50.157 80", "weight 5"),
            ("172.16.50.159 80", "weight 2"),
        ],
        rules: &[
            "-A -t 10.10.54.151:80 -s wrr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -g -w 5",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -g -w 2",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "tunnel, UDP",
        service: "10.10.54.151 53\nlb_algo rr\nlb_kind TUN\nprotocol UDP",
        servers: &[
            ("172.16.50.157 53", "weight 1"),
            ("172.16.50.159 53", "weight 1"),
        ],
        rules: &[
            "-A -u 10.10.54.151:53 -s rr",
            "-a -u 10.10.54.151:53 -r 172.16.50.157:53 -i -w 1 --tun-type ipip",
            "-a -u 10.10.54.151:53 -r 172.16.50.159:53 -i -w 1 --tun-type ipip",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "IPv6",
        service: "fd00:54::151 80\nlb_algo rr\nlb_kind NAT\nprotocol TCP",
        servers: PAIR6,
        rules: &[
            "-A -t [fd00:54::151]:80 -s rr",
            "-a -t [fd00:54::151]:80 -r [fd00:50::157]:80 -m -w 1",
            "-a -t [fd00:54::151]:80 -r [fd00:50::159]:80 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "IPv6, direct routing, UDP, persistence with a prefix",
        service: "fd00:54::151 53\nlb_algo wrr\nlb_kind DR\nprotocol UDP\npersistence_timeout 60\npersistence_granularity 64",
        servers: &[
            ("fd00:50::157 53", "weight 1"),
            ("fd00:50::159 53", "weight 3"),
        ],
        rules: &[
            "-A -u [fd00:54::151]:53 -s wrr -p 60 -M 64",
            "-a -u [fd00:54::151]:53 -r [fd00:50::157]:53 -g -w 1",
            "-a -u [fd00:54::151]:53 -r [fd00:50::159]:53 -g -w 3",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "persistence",
        service: "10.10.54.151 443\nlb_algo rr\nlb_kind NAT\nprotocol TCP\npersistence_timeout 300",
        servers: &[
            ("172.16.50.157 443", "weight 1"),
            ("172.16.50.159 443", "weight 1"),
        ],
        rules: &[
            "-A -t 10.10.54.151:443 -s rr -p 300",
            "-a -t 10.10.54.151:443 -r 172.16.50.157:443 -m -w 1",
            "-a -t 10.10.54.151:443 -r 172.16.50.159:443 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "persistence by network",
        service: "10.10.54.151 443\nlb_algo rr\nlb_kind NAT\nprotocol TCP\npersistence_timeout 50\npersistence_granularity 255.255.255.0",
        servers: &[
            ("172.16.50.157 443", "weight 1"),
            ("172.16.50.159 443", "weight 1"),
        ],
        rules: &[
            "-A -t 10.10.54.151:443 -s rr -p 50 -M 255.255.255.0",
            "-a -t 10.10.54.151:443 -r 172.16.50.157:443 -m -w 1",
            "-a -t 10.10.54.151:443 -r 172.16.50.159:443 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "thresholds",
        service: "10.10.54.151 80\nlb_algo wrr\nlb_kind NAT\nprotocol TCP",
        servers: &[
            (
                "172.16.50.157 80",
                "weight 3\nuthreshold 100\nlthreshold 80",
            ),
            ("172.16.50.159 80", "weight 1\nuthreshold 10"),
        ],
        rules: &[
            "-A -t 10.10.54.151:80 -s wrr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 3",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
        ],
        thresholds: &["172.16.50.157:80 100 80", "172.16.50.159:80 10 0"],
        followed_by: None,
    },
    Case {
        name: "firewall mark",
        service: "fwmark 7\nlb_algo rr\nlb_kind DR",
        servers: &[
            ("172.16.50.157 0", "weight 1"),
            ("172.16.50.159 0", "weight 1"),
        ],
        rules: &[
            "-A -f 7 -s rr",
            "-a -f 7 -r 172.16.50.157:0 -g -w 1",
            "-a -f 7 -r 172.16.50.159:0 -g -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "source hashing",
        service: "10.10.54.151 80\nlb_algo sh\nlb_kind NAT\nprotocol TCP",
        servers: PAIR,
        rules: &[
            "-A -t 10.10.54.151:80 -s sh",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "Maglev hashing, weights",
        service: "10.10.54.151 80\nlb_algo mh\nlb_kind NAT\nprotocol TCP",
        servers: &[
            ("172.16.50.157 80", "weight 2"),
            ("172.16.50.159 80", "weight 1"),
        ],
        rules: &[
            "-A -t 10.10.54.151:80 -s mh",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 2",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "weights with rr, which does not look at them, and 0",
        service: "10.10.54.151 80\nlb_algo rr\nlb_kind NAT\nprotocol TCP",
        servers: &[
            ("172.16.50.157 80", "weight 4"),
            ("172.16.50.159 80", "weight 0"),
        ],
        rules: &[
            "-A -t 10.10.54.151:80 -s rr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 4",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 0",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "least connections",
        service: "10.10.54.151 80\nlb_algo wlc\nlb_kind NAT\nprotocol TCP",
        servers: PAIR,
        rules: &[
            "-A -t 10.10.54.151:80 -s wlc",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
        ],
        thresholds: &[],
        followed_by: Some("rr"),
    },
    Case {
        name: "several services with the same servers",
        service: "10.10.54.151 80 and 10.10.54.151 8080 and 10.10.54.152 80\nlb_algo rr\nlb_kind NAT\nprotocol TCP",
        servers: PAIR,
        rules: &[
            "-A -t 10.10.54.151:80 -s rr",
            "-A -t 10.10.54.151:8080 -s rr",
            "-A -t 10.10.54.152:80 -s rr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
            "-a -t 10.10.54.151:8080 -r 172.16.50.157:80 -m -w 1",
            "-a -t 10.10.54.151:8080 -r 172.16.50.159:80 -m -w 1",
            "-a -t 10.10.54.152:80 -r 172.16.50.157:80 -m -w 1",
            "-a -t 10.10.54.152:80 -r 172.16.50.159:80 -m -w 1",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "a server that has failed",
        service: "10.10.54.151 80\nlb_algo wrr\nlb_kind NAT\nprotocol TCP",
        servers: CHECKED,
        rules: &[
            "-A -t 10.10.54.151:80 -s wrr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 2",
            "-a -t 10.10.54.151:80 -r 172.16.50.161:80 -m -w 5",
        ],
        thresholds: &[],
        followed_by: None,
    },
    Case {
        name: "a server that has failed and is inhibited",
        service: "10.10.54.151 80\nlb_algo wrr\nlb_kind NAT\nprotocol TCP",
        servers: INHIBITED,
        rules: &[
            "-A -t 10.10.54.151:80 -s wrr",
            "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 2",
            "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 0",
            "-a -t 10.10.54.151:80 -r 172.16.50.161:80 -m -w 5",
        ],
        thresholds: &[],
        followed_by: None,
    },
];
