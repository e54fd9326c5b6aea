use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::model::{Chosen, Daemon, DataPlaneChoice, IpvsTimeouts, Sandbox, Vrrp};

use evenkeel_tests::{Net, with_net};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn model(offload: Offload) -> Model {
    Model {
        daemon: Daemon {
            plugin_sandboxes: BTreeMap::new(),
            native_plugins: Vec::new(),
            allow_empty: false,
            grants: BTreeMap::new(),
            plugin_trust: evenkeel_core::model::PluginTrust::default(),
            plugin_dirs: Vec::new(),
            cache_dir: PathBuf::new(),
            state_dir: PathBuf::new(),
            socket: PathBuf::new(),
            table: String::new(),
            dataplane: DataPlaneChoice::Auto,
            offload,
            resync: Duration::from_secs(30),
            sandbox: Sandbox::default(),
        },
        dataplane: Chosen::default(),
        services: Vec::new(),
        vrrp: Vrrp::default(),
        connection_sync: None,
        ipvs_timeouts: IpvsTimeouts::default(),
    }
}

/// What a task tells of the interfaces for offload.
struct Told {
    inputs: mpsc::UnboundedReceiver<Input>,
    touched: usize,
}

impl Told {
    /// Waits until it has told exactly these interfaces.
    async fn until(&mut self, wanted: &[&str]) {
        let told = async {
            loop {
                match self.inputs.recv().await.unwrap() {
                    Input::Offload(names) if names.iter().eq(wanted) => return,
                    Input::Touched => self.touched += 1,
                    _ => {}
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        assert!(told.is_ok(), "{wanted:?} was never told");
    }
}

fn start(offloads: bool) -> (Network, Told) {
    let (sender, inputs) = mpsc::unbounded_channel();
    let network = Network::start(sender, offloads).unwrap();
    (network, Told { inputs, touched: 0 })
}

#[test]
fn flows_are_offloaded_between_the_interfaces_that_there_are() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (mut network, mut told) = start(true);
        network.configure(&model(Offload::Auto));
        told.until(&["eth0", "eth0-peer"]).await;
        net.interface("eth1");
        told.until(&["eth0", "eth0-peer", "eth1", "eth1-peer"])
            .await;
        net.remove_interface("eth1");
        told.until(&["eth0", "eth0-peer"]).await;
        net.down("eth0-peer");
        told.until(&["eth0"]).await;
        net.rename("eth0-peer", "wan");
        net.up("wan");
        told.until(&["eth0", "wan"]).await;
        // A bridge has what its ports had.
        net.bridge("br0");
        net.enslave("eth0", "br0");
        told.until(&["br0", "wan"]).await;
        assert_eq!(told.touched, 0);
        network.configure(&model(Offload::Off));
        told.until(&[]).await;
    });
}

#[test]
fn an_interface_that_came_back_is_put_to_the_data_plane_again() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (mut network, mut told) = start(true);
        network.configure(&model(Offload::Auto));
        told.until(&["eth0", "eth0-peer"]).await;
        net.remove_interface("eth0");
        net.interface("eth0");
        let again = async {
            loop {
                match told.inputs.recv().await.unwrap() {
                    Input::Touched => return,
                    // It was seen to be away.
                    Input::Offload(names) if names.is_empty() => return,
                    _ => {}
                }
            }
        };
        let again = tokio::time::timeout(PATIENCE, again).await;
        assert!(again.is_ok(), "nobody was told");
    });
}

#[test]
fn nothing_is_told_before_it_is_configured() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (mut network, mut told) = start(true);
        let early = tokio::time::timeout(Duration::from_millis(300), told.inputs.recv()).await;
        assert!(early.is_err(), "something was told");
        network.configure(&model(Offload::Auto));
        told.until(&["eth0", "eth0-peer"]).await;
    });
}

#[test]
fn a_data_plane_that_cannot_offload_is_told_of_no_interface() {
    with_net(async |net: Net| {
        net.interface("eth0");
        let (mut network, mut told) = start(false);
        network.configure(&model(Offload::Auto));
        told.until(&[]).await;
    });
}
