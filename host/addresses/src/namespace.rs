//! For tests: a network namespace of one's own, with real interfaces.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::net::{IpAddr, Ipv4Addr};

use nix::sched::{CloneFlags, unshare};
use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};

/// Runs a test in a network namespace that is empty but for `lo`, and goes with the test. Needs root.
pub fn in_own_namespace<F: Future<Output = ()>>(test: impl FnOnce(Net) -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("this test needs root, for a network namespace of its own");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let (connection, handle, _) = rtnetlink::new_connection().unwrap();
            tokio::spawn(connection);
            test(Net { handle }).await;
        });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Someone else who sets up the namespace.
pub struct Net {
    handle: Handle,
}

impl Net {
    /// An interface with carrier.
    pub async fn interface(&self, name: &str) {
        let peer = format!("{name}-peer");
        self.handle
            .link()
            .add(LinkVeth::new(name, &peer).up().build())
            .execute()
            .await
            .unwrap();
        self.up(&peer).await;
    }

    /// A bridge that is up.
    pub async fn bridge(&self, name: &str) {
        self.handle
            .link()
            .add(LinkBridge::new(name).up().build())
            .execute()
            .await
            .unwrap();
    }

    /// Sets an interface up.
    pub async fn up(&self, name: &str) {
        let message: LinkMessageBuilder<LinkUnspec> = LinkUnspec::new_with_index(index(name)).up();
        self.handle
            .link()
            .set(message.build())
            .execute()
            .await
            .unwrap();
    }

    /// Sets an interface down.
    pub async fn down(&self, name: &str) {
        let message: LinkMessageBuilder<LinkUnspec> =
            LinkUnspec::new_with_index(index(name)).down();
        self.handle
            .link()
            .set(message.build())
            .execute()
            .await
            .unwrap();
    }

    /// It has to be down.
    pub async fn rename(&self, name: &str, new: &str) {
        let message: LinkMessageBuilder<LinkUnspec> =
            LinkUnspec::new_with_index(index(name)).name(new.to_owned());
        self.handle
            .link()
            .set(message.build())
            .execute()
            .await
            .unwrap();
    }

    /// Makes an interface a port of a bridge.
    pub async fn enslave(&self, name: &str, bridge: &str) {
        let message: LinkMessageBuilder<LinkUnspec> =
            LinkUnspec::new_with_index(index(name)).controller(index(bridge));
        self.handle
            .link()
            .set(message.build())
            .execute()
            .await
            .unwrap();
    }

    /// Deletes an interface.
    pub async fn remove_interface(&self, name: &str) {
        self.handle.link().del(index(name)).execute().await.unwrap();
    }

    /// Adds an address.
    pub async fn add(&self, name: &str, addr: &str, prefix: u8) {
        let addr: IpAddr = addr.parse().unwrap();
        self.handle
            .address()
            .add(index(name), addr, prefix)
            .execute()
            .await
            .unwrap();
    }

    /// Adds an IPv6 address and waits until it is not tentative any more.
    pub async fn add_v6(&self, name: &str, addr: &str, prefix: u8) {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_dad"), "0").unwrap();
        self.add(name, addr, prefix).await;
        let addr: IpAddr = addr.parse().unwrap();
        for _ in 0..500 {
            if std::net::UdpSocket::bind((addr, 0)).is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{addr} is still tentative");
    }

    /// Adds an IPv4 default route by a gateway.
    pub async fn default_route(&self, gateway: &str) {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway.parse().unwrap())
            .build();
        self.handle.route().add(route).execute().await.unwrap();
    }

    /// Deletes an address.
    pub async fn remove(&self, name: &str, addr: &str, prefix: u8) {
        let addr: IpAddr = addr.parse().unwrap();
        let mut request = self.handle.address().add(index(name), addr, prefix);
        let message = request.message_mut().clone();
        self.handle.address().del(message).execute().await.unwrap();
    }
}

/// Of an interface of the calling thread's namespace.
fn index(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).unwrap()
}
