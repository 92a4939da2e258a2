//! Discovery against a real API server, as a service account that may do exactly what the table
//! of sources asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::api::{Api, ListParams};
use kube_https_exporter::config::Config;
use kube_https_exporter::discover::rbac::Grant;
use kube_https_exporter::discover::{
    Catalog, Change, Context, DropReason, Health, Permission, Search, Update, permissions, start,
};
use kube_https_exporter::model::{Place, PlaintextRule, RootsRef, Target, UnixTime};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::ca::CA;
use crate::cluster::{Cluster, needed};

/// For a test's account.
pub(crate) const ACCOUNT: &str = "exporter";

/// What is waited for takes a second or two, after a failure up to 30 s of back-off more.
const PATIENCE: Duration = Duration::from_secs(90);

/// What discovery has said so far, and what it comes to.
pub(crate) struct Discovered {
    updates: BoxStream<'static, (&'static str, Update)>,
    pub(crate) catalog: Catalog,
    rows: BTreeMap<Place, Arc<Target>>,
    pub(crate) health: BTreeMap<&'static str, Health>,
}

impl Discovered {
    /// Discovery by [`ACCOUNT`], whatever it may do.
    pub(crate) async fn start(cluster: &Cluster, config: Config) -> Self {
        Self::of(cluster.search(ACCOUNT).await, config).await
    }

    /// Discovery of what is found so.
    pub(crate) async fn of(search: Search, config: Config) -> Self {
        let found = search.find().await.unwrap();
        let context = Context {
            config: Arc::new(config),
            cluster: Some(found),
            clock: || UnixTime::from_secs(1),
        };
        Self {
            updates: start(&context),
            catalog: Catalog::new(&context.config),
            rows: BTreeMap::new(),
            health: BTreeMap::new(),
        }
    }

    /// Listens until `condition` holds.
    pub(crate) async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            let Ok(next) = timeout_at(deadline, self.updates.next()).await else {
                panic!(
                    "not so in {PATIENCE:?}: {what}; known: {:?}, {:?}",
                    self.hosts(),
                    self.health
                );
            };
            let (source, update) = next.unwrap();
            self.take(source, update);
        }
    }

    fn take(&mut self, source: &'static str, update: Update) {
        if let Update::Health(health) = &update {
            self.health.insert(source, health.clone());
        }
        for change in self.catalog.apply(source, update) {
            match change {
                Change::Target(target) => {
                    drop(self.rows.insert(target.row.place().clone(), target));
                }
                Change::Gone(place) => drop(self.rows.remove(&place)),
                Change::Stored(_) | Change::StoredGone(_) => {}
            }
        }
    }

    /// The hosts of the rows of Ingresses.
    pub(crate) fn hosts(&self) -> Vec<&str> {
        self.targets("ingress")
            .map(|target| &*target.row.host)
            .collect()
    }

    pub(crate) fn targets(&self, source: &str) -> impl Iterator<Item = &Target> {
        let of_source = move |target: &&Target| target.row.source == source;
        self.rows.values().map(|target| &**target).filter(of_source)
    }

    pub(crate) fn synced(&self, source: &str) -> bool {
        matches!(self.health.get(source), Some(Health::Synced(_)))
    }

    /// The reason and particulars of a source's last failure.
    pub(crate) fn failure(&self, source: &str) -> Option<(&'static str, &str)> {
        match self.health.get(source) {
            Some(Health::Failed { reason, detail }) => Some((reason, detail)),
            _ => None,
        }
    }
}

fn ingress(name: &str, hosts: &[&str]) -> Value {
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]);
    let rules: Vec<_> = hosts
        .iter()
        .map(|host| json!({"host": host, "http": {"paths": paths}}))
        .collect();
    json!({"metadata": {"name": name}, "spec": {"rules": rules, "tls": [{"hosts": [hosts[0]], "secretName": "s"}]}})
}

/// An Ingress that its controller has published.
pub(crate) async fn publish(cluster: &Cluster, namespace: &str, name: &str, hosts: &[&str]) {
    cluster
        .apply::<Ingress>(namespace, ingress(name, hosts))
        .await;
    let ports = json!([{"port": 8443, "protocol": "TCP"}]);
    let balancer = json!({"ingress": [{"ip": "127.0.0.1", "ports": ports}]});
    let status = json!({"metadata": {"name": name}, "status": {"loadBalancer": balancer}});
    cluster.apply_status::<Ingress>(namespace, status).await;
}

#[tokio::test]
async fn an_ingress_appears_is_published_changes_and_goes() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    assert_eq!(found.hosts(), [""; 0]);

    cluster
        .apply::<Ingress>("default", ingress("shop", &["shop.test"]))
        .await;
    let waiting = (DropReason::NoAddress, 1);
    found
        .until("no address", |found| {
            found.catalog.dropped("ingress").contains(&waiting)
        })
        .await;

    publish(&cluster, "default", "shop", &["shop.test"]).await;
    found
        .until("published", |found| found.hosts() == ["shop.test"])
        .await;
    let target = found.targets("ingress").next().unwrap();
    assert_eq!(
        (&*target.row.namespace, &*target.row.name),
        ("default", "shop")
    );
    assert_eq!((&*target.row.address, target.row.port), ("127.0.0.1", 8443));
    assert!(target.expect.tls);
    assert!(target.owners[0].created.is_some());

    publish(&cluster, "default", "shop", &["shop.test", "plain.test"]).await;
    found
        .until("changed", |found| {
            found.hosts() == ["plain.test", "shop.test"]
        })
        .await;
    assert!(!found.targets("ingress").next().unwrap().expect.tls);

    cluster.delete::<Ingress>("default", "shop").await;
    found.until("gone", |found| found.hosts().is_empty()).await;
}

#[tokio::test]
async fn a_class_that_comes_changes_and_goes_says_whose_annotations_count() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    publish(&cluster, "default", "shop", &["shop.test"]).await;
    let mut object = ingress("shop", &["shop.test"]);
    object["metadata"]["annotations"] =
        json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false"});
    object["spec"]["ingressClassName"] = "edge".into();
    cluster.apply::<Ingress>("default", object).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    let rule = |found: &Discovered| {
        let target = found.targets("ingress").next();
        target.map(|target| target.expect.plaintext)
    };
    let (declared, redirect) = (Some(PlaintextRule::Declared), Some(PlaintextRule::Redirect));
    assert_eq!(rule(&found), declared);

    let class = |controller: &str| json!({"metadata": {"name": "edge"}, "spec": {"controller": controller}});
    cluster
        .apply::<IngressClass>("", class("traefik.io/ingress-controller"))
        .await;
    found
        .until("another's", |found| rule(found) == redirect)
        .await;
    cluster.delete::<IngressClass>("", "edge").await;
    found
        .until("anyone's", |found| rule(found) == declared)
        .await;
    cluster
        .apply::<IngressClass>("", class("haproxy.org/ingress-controller"))
        .await;
    found
        .until("another's", |found| rule(found) == redirect)
        .await;
}

#[tokio::test]
async fn without_access_to_classes_annotations_are_taken_at_their_word() {
    let cluster = Cluster::start().await;
    let mut rules = needed(&[]).remove(&Grant::Cluster).unwrap();
    rules.retain(|rule| rule.resources != Some(vec!["ingressclasses".to_owned()]));
    cluster.grant(ACCOUNT, &Grant::Cluster, &rules).await;
    publish(&cluster, "default", "shop", &["shop.test"]).await;
    let mut object = ingress("shop", &["shop.test"]);
    object["metadata"]["annotations"] = json!({"haproxy.org/ssl-redirect": "false"});
    cluster.apply::<Ingress>("default", object).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    let target = found.targets("ingress").next().unwrap();
    assert_eq!(target.expect.plaintext, PlaintextRule::Declared);
}

#[tokio::test]
async fn more_objects_than_fit_one_page_are_all_there_when_it_is_synced() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    // One page is 500 objects.
    stream::iter(0..501)
        .for_each_concurrent(20, |n| {
            let cluster = &cluster;
            async move {
                let (name, host) = (format!("i{n}"), format!("h{n}.test"));
                publish(cluster, "default", &name, &[&host]).await;
            }
        })
        .await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    assert_eq!(found.hosts().len(), 501);
}

#[tokio::test]
async fn the_api_server_is_found_at_its_address_and_at_every_replica() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let slice = |name: &str, addresses: &[&str]| {
        json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
            "endpoints": [{"addresses": addresses}],
        })
    };
    cluster
        .apply::<EndpointSlice>("default", slice("kubernetes", &["192.0.2.1"]))
        .await;
    cluster
        .apply::<EndpointSlice>("default", slice("another", &["192.0.2.9"]))
        .await;
    let info = "clusters: [{name: '', cluster: {server: 'https://api.test:6443'}}]";
    for name in ["cluster-info", "another"] {
        let info = json!({"metadata": {"name": name}, "data": {"kubeconfig": info}});
        cluster.apply::<ConfigMap>("kube-public", info).await;
    }
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("synced", |found| found.synced("api_server"))
        .await;

    let rows: Vec<_> = found
        .targets("api_server")
        .map(|target| target.row.clone())
        .collect();
    let labels: Vec<_> = rows
        .iter()
        .map(|row| (&*row.namespace, &*row.name, &*row.host, &*row.address))
        .collect();
    assert_eq!(
        labels,
        [
            ("", "test", "", "127.0.0.1"),
            (
                "default",
                "kubernetes",
                "apiserver-loopback-client",
                "192.0.2.1"
            ),
            (
                "default",
                "kubernetes",
                "kubernetes.default.svc",
                "192.0.2.1"
            ),
            ("kube-public", "cluster-info", "api.test", "api.test"),
        ]
    );
    let roots: Vec<_> = found
        .targets("api_server")
        .map(|target| target.expect.roots.clone())
        .collect();
    let (cluster_s, any, public) = (RootsRef::Cluster, RootsRef::Any, RootsRef::Public);
    assert_eq!(roots, [cluster_s.clone(), any, cluster_s, public]);

    cluster
        .apply::<EndpointSlice>("default", slice("kubernetes", &["192.0.2.1", "192.0.2.2"]))
        .await;
    found
        .until("a replica more", |found| {
            found.targets("api_server").count() == 6
        })
        .await;
    cluster
        .delete::<EndpointSlice>("default", "kubernetes")
        .await;
    found
        .until("replicas gone", |found| {
            found.targets("api_server").count() == 2
        })
        .await;
}

#[tokio::test]
async fn the_api_servers_own_certificate_says_under_which_names_it_is_known() {
    let names = [
        "127.0.0.1",
        "kubernetes.default.svc.cluster.local",
        "node-1.example.com",
        "api.example.com",
    ];
    let cluster = Cluster::start_as(&CA.leaf(&names)).await;
    set_node(&cluster, "node-1.example.com", "192.0.2.101", "True").await;
    let hosts = |found: &Discovered| -> Vec<String> {
        let targets = found.targets("api_server");
        targets.map(|target| target.row.host.to_string()).collect()
    };
    // It may be a node's name, for all that is known.
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("refused", |found| found.failure("api_server").is_some())
        .await;
    assert_eq!(hosts(&found), [""]);

    cluster.grant_all(ACCOUNT).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("synced", |found| found.synced("api_server"))
        .await;
    assert_eq!(hosts(&found), ["", "api.example.com"]);
    let face = found.targets("api_server").last().unwrap();
    assert_eq!(&*face.row.address, "127.0.0.1");
    assert_eq!(face.expect.roots, RootsRef::PublicOrCluster);
}

fn node(name: &str, address: &str, ready: &str) -> Value {
    json!({"metadata": {"name": name}, "status": {
        "conditions": [{"type": "Ready", "status": ready}],
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }})
}

async fn set_node(cluster: &Cluster, name: &str, address: &str, ready: &str) {
    let metadata = json!({"metadata": {"name": name}});
    cluster.apply::<Node>("", metadata).await;
    let status = node(name, address, ready);
    cluster.apply_status::<Node>("", status).await;
}

/// The addresses and ports of a source's rows.
fn places(found: &Discovered, source: &str) -> Vec<(String, u16)> {
    let rows = found.targets(source).map(|target| &target.row);
    rows.map(|row| (row.address.to_string(), row.port))
        .collect()
}

#[tokio::test]
async fn services_are_found_at_their_balancers_and_at_some_ready_nodes() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    set_node(&cluster, "a", "192.0.2.1", "True").await;
    set_node(&cluster, "b", "192.0.2.2", "False").await;
    let port = |node| json!({"name": "https", "port": 443, "nodePort": node, "protocol": "TCP"});
    let other = json!({"name": "mysql", "port": 3306, "nodePort": 30306, "protocol": "TCP"});
    let services = [
        (
            "node-port",
            json!({"type": "NodePort", "ports": [port(30443), other]}),
        ),
        (
            "balanced",
            json!({"type": "LoadBalancer", "ports": [port(31443)]}),
        ),
        (
            "inner",
            json!({"type": "ClusterIP", "ports": [{"name": "https", "port": 443}]}),
        ),
    ];
    for (name, spec) in services {
        let object = json!({"metadata": {"name": name}, "spec": spec});
        cluster.apply::<Service>("default", object).await;
    }
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("service")).await;
    let at = |address: &str, port| (address.to_owned(), port);
    let node_ports = [at("192.0.2.1", 30443), at("192.0.2.1", 31443)];
    assert_eq!(places(&found, "service"), node_ports);
    let dropped = found.catalog.dropped("service");
    assert!(dropped.contains(&(DropReason::NoAddress, 1)), "{dropped:?}");
    assert!(
        dropped.contains(&(DropReason::Unsupported, 1)),
        "{dropped:?}"
    );

    let balancer = json!({"ingress": [{"ip": "198.51.100.7", "ipMode": "VIP"}]});
    let status = json!({"metadata": {"name": "balanced"}, "status": {"loadBalancer": balancer}});
    cluster.apply_status::<Service>("default", status).await;
    let published = at("198.51.100.7", 443);
    found
        .until("published", |found| {
            places(found, "service").contains(&published)
        })
        .await;
    let target = |port| {
        found
            .targets("service")
            .find(|target| target.row.port == port)
    };
    // The tests are no pod: there is no way past the load balancer.
    assert!(target(443).unwrap().expect.tls);
    assert!(!target(31443).unwrap().expect.tls);

    set_node(&cluster, "b", "192.0.2.2", "True").await;
    found
        .until("a node more", |found| places(found, "service").len() == 5)
        .await;
    cluster.delete::<Node>("", "a").await;
    let left = [published, at("192.0.2.2", 30443), at("192.0.2.2", 31443)];
    found
        .until("a node less", |found| places(found, "service") == left)
        .await;
    cluster.delete::<Service>("default", "node-port").await;
    let left = [&left[..1], &left[2..]].concat();
    found
        .until("gone", |found| places(found, "service") == left)
        .await;
}

#[tokio::test]
async fn every_node_has_its_kubelet_and_ports_that_must_be_closed() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    set_node(&cluster, "a", "192.0.2.1", "True").await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("node")).await;
    let expected = [2375, 10250, 10251, 10252, 10255].map(|port| ("192.0.2.1".to_owned(), port));
    assert_eq!(places(&found, "node"), expected);
    for target in found.targets("node") {
        assert_eq!((&*target.row.namespace, &*target.row.name), ("", "a"));
        assert_eq!(target.expect.tls, target.row.port == 10250);
    }
    cluster.delete::<Node>("", "a").await;
    found
        .until("gone", |found| places(found, "node").is_empty())
        .await;
}

#[tokio::test]
async fn the_rules_permit_what_the_sources_do_and_nothing_beside_it() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let client = cluster.search(ACCOUNT).await.find().await.unwrap().client;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let named = ListParams::default().fields("metadata.name=kubernetes");
    assert!(slices.list(&named).await.is_ok());

    let refused =
        |error: kube::Error| matches!(error, kube::Error::Api(status) if status.code == 403);
    assert!(refused(
        slices.list(&ListParams::default()).await.unwrap_err()
    ));
    assert!(refused(
        Api::<EndpointSlice>::all(client.clone())
            .list(&named)
            .await
            .unwrap_err()
    ));
    assert!(refused(slices.get("kubernetes").await.unwrap_err()));
    let ingresses: Api<Ingress> = Api::namespaced(client, "default");
    assert!(ingresses.list(&ListParams::default()).await.is_ok());
    assert!(refused(ingresses.get("any").await.unwrap_err()));
    assert!(refused(
        ingresses
            .delete("any", &kube::api::DeleteParams::default())
            .await
            .unwrap_err()
    ));
}

#[tokio::test]
async fn a_missing_permission_is_named_and_its_coming_is_noticed() {
    let cluster = Cluster::start().await;
    publish(&cluster, "default", "shop", &["shop.test"]).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("refused", |found| found.failure("ingress").is_some())
        .await;
    let (reason, detail) = found.failure("ingress").unwrap();
    assert_eq!(reason, "forbidden");
    assert!(
        detail.starts_with("cannot list ingresses.networking.k8s.io in all namespaces: "),
        "{detail}"
    );
    // The address that the kubeconfig gives needs no permission.
    found
        .until("refused", |found| found.failure("api_server").is_some())
        .await;
    assert_eq!(found.targets("api_server").count(), 1);

    cluster.grant_all(ACCOUNT).await;
    found
        .until("synced", |found| {
            found.synced("ingress") && found.synced("api_server")
        })
        .await;
    assert_eq!(found.hosts(), ["shop.test"]);
}

#[tokio::test]
async fn the_api_server_says_what_is_permitted_before_and_after_a_grant() {
    let cluster = Cluster::start().await;
    let found = cluster.search(ACCOUNT).await.find().await.unwrap();
    let context = Context {
        config: Arc::new(Config::default()),
        cluster: Some(found),
        clock: || UnixTime::from_secs(1),
    };
    let before = permissions(&context).next().await.unwrap();
    // Every service account may read these by itself (`system:cluster-trust-bundle-discovery`).
    let refused = |(permission, allowed): (&Permission, &bool)| {
        *allowed == (permission.resource == "clustertrustbundles")
    };
    assert!(before.iter().all(refused), "{before:?}");
    let asked: Vec<_> = (before.keys())
        .filter(|permission| ["endpointslices", "ingresses"].contains(&&*permission.resource))
        .map(|permission| (&*permission.resource, &*permission.verb, &*permission.scope))
        .collect();
    assert_eq!(
        asked,
        [
            ("endpointslices", "list", "default"),
            ("endpointslices", "watch", "default"),
            ("ingresses", "list", "*"),
            ("ingresses", "watch", "*"),
        ]
    );

    cluster.grant_all(ACCOUNT).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The API server's authorizer hears of new roles by a watch of its own.
        let after = permissions(&context).next().await.unwrap();
        if after.values().all(|allowed| *allowed) {
            assert!(after.keys().eq(before.keys()));
            break;
        }
        assert!(Instant::now() < deadline, "{after:?}");
    }
}

#[tokio::test]
async fn an_object_asks_by_an_annotation_not_to_be_probed() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    publish(&cluster, "default", "shop", &["shop.test"]).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("published", |found| found.hosts() == ["shop.test"])
        .await;
    let asking = |word: &str| {
        let mut ingress = ingress("shop", &["shop.test"]);
        ingress["metadata"]["annotations"] = json!({"kube-https-exporter/probe": word});
        ingress
    };
    cluster.apply::<Ingress>("default", asking("never")).await;
    found
        .until("misspelt", |found| found.failure("ingress").is_some())
        .await;
    let wrong = "Ingress default/shop: the annotation kube-https-exporter/probe is ignored: \
                 it must be true or false";
    assert_eq!(found.failure("ingress"), Some(("malformed", wrong)));
    assert_eq!(found.hosts(), ["shop.test"]);

    cluster.apply::<Ingress>("default", asking("false")).await;
    found
        .until("not probed", |found| found.hosts().is_empty())
        .await;
    let denied = (DropReason::Denied, 1);
    assert!(found.catalog.dropped("ingress").contains(&denied));
}

#[tokio::test]
async fn namespaced_mode_needs_roles_alone_and_sees_its_namespaces_alone() {
    let cluster = Cluster::start().await;
    for name in ["one", "two", "three"] {
        cluster.namespace(name).await;
        publish(&cluster, name, "shop", &[&format!("{name}.test")]).await;
    }
    let namespaces = vec!["one".to_owned(), "two".to_owned()];
    let mut rules = needed(&namespaces);
    assert!(!rules.contains_key(&Grant::Cluster));
    let second = Grant::Namespace("two".to_owned());
    let late = rules.remove(&second).unwrap();
    for (grant, rules) in &rules {
        cluster.grant(ACCOUNT, grant, rules).await;
    }
    let config = Config {
        namespaces,
        ..Config::default()
    };
    let mut found = Discovered::start(&cluster, config).await;
    found
        .until("one namespace", |found| {
            found.hosts() == ["one.test"] && found.failure("ingress").is_some()
        })
        .await;
    assert!(
        found
            .failure("ingress")
            .unwrap()
            .1
            .contains("in namespace two: ")
    );

    cluster.grant(ACCOUNT, &second, &late).await;
    found
        .until("both", |found| {
            found.synced("ingress") && found.synced("service")
        })
        .await;
    assert_eq!(found.hosts(), ["one.test", "two.test"]);
    assert!(!found.health.contains_key("node"));
}

#[tokio::test]
async fn an_api_server_that_dies_and_comes_back_is_followed_again() {
    let mut cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    publish(&cluster, "default", "stays", &["stays.test"]).await;
    publish(&cluster, "default", "goes", &["goes.test"]).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("synced", |found| {
            found.synced("ingress") && found.synced("api_server")
        })
        .await;

    cluster.kill_api_server();
    found
        .until("unreachable", |found| found.failure("ingress").is_some())
        .await;
    let (reason, detail) = found.failure("ingress").unwrap();
    assert_eq!(reason, "unreachable", "{detail}");
    assert_eq!(found.hosts(), ["goes.test", "stays.test"]);

    // What happens while nobody follows is seen all the same.
    cluster.restart_api_server().await;
    cluster.delete::<Ingress>("default", "goes").await;
    publish(&cluster, "default", "comes", &["comes.test"]).await;
    found
        .until("recovered", |found| {
            found.synced("ingress") && found.hosts() == ["comes.test", "stays.test"]
        })
        .await;
    publish(&cluster, "default", "later", &["later.test"]).await;
    found
        .until("followed", |found| found.hosts().contains(&"later.test"))
        .await;
}
