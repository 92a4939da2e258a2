//! The chart, installed into a real cluster in every way that its documentation names: the API
//! server takes all that it renders, and the program, by the configuration and as the account that
//! it gives, sees what that way promises and is refused everything else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::authorization::v1::SelfSubjectRulesReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use kube::api::{Api, ListParams, PostParams};
use kube::core::{ApiResource, DynamicObject};
use kube::discovery::{Discovery, Scope, verbs};
use kube_https_exporter::config::Config;
use kube_https_exporter::discover::rbac::{Grant, rules};
use kube_https_exporter::discover::{SOURCES, Search};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::{Cluster, MONITORING};
use crate::exporter::Exporter;
use crate::process::{Site, command, run, tool};

/// The namespaces of the tests' Ingresses and Secrets.
const NAMESPACES: [&str; 2] = ["shop", "bank"];

/// What Kubernetes lets every service account list.
const ANYBODYS: &str = "clustertrustbundles";

/// Between two looks at what was asked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many looks it is given: 60 s.
const LOOKS: u32 = 600;

/// A release of the chart, and the account that it runs as.
struct Release<'a> {
    cluster: &'a Cluster,
    /// What the chart calls nearly everything.
    name: String,
    kubeconfig: PathBuf,
    client: kube::Client,
}

impl<'a> Release<'a> {
    /// Installs the chart by this program, `helm` (3) or `helm4`.
    async fn install(cluster: &'a Cluster, helm: &str, release: &str, values: &Value) -> Self {
        let site = Site::new("helm");
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/kube-https-exporter");
        let values = site.write("values.yaml", &values.to_string());
        run(command(helm)
            .env("HOME", &site.dir)
            .args(["install", release, "--namespace", MONITORING])
            .args(["--values", &values, "--kubeconfig"])
            .arg(cluster.admin_kubeconfig())
            .arg(chart));
        let name = format!("{release}-kube-https-exporter");
        let token = cluster.token(&name).await;
        let kubeconfig = cluster.kubeconfig(&token);
        let found = Search::new(Some(kubeconfig.clone()), None, None, None);
        let client = found.find().await.unwrap().client;
        Self {
            cluster,
            name,
            kubeconfig,
            client,
        }
    }

    /// An object in the release's namespace, which must be there.
    async fn there<K: kube::Resource<DynamicType = ()>>(&self, suffix: &str) -> Value {
        let name = format!("{}{suffix}", self.name);
        let found = self.cluster.get::<K>(MONITORING, &name).await;
        let found = found.unwrap_or_else(|| panic!("no {} {name}", K::kind(&())));
        serde_json::to_value(found).unwrap()
    }

    /// The configuration file, as it is mounted.
    async fn config(&self) -> String {
        let config = self.there::<ConfigMap>("").await;
        config["data"]["config.yaml"].as_str().unwrap().to_owned()
    }

    /// The pod, as the Deployment has it.
    async fn pod(&self) -> Value {
        self.there::<Deployment>("").await["spec"]["template"].clone()
    }

    /// The exporter, as that pod would run it, but for where the files are and where it listens.
    async fn run(&self) -> Exporter {
        let pod = self.pod().await;
        let token = pod["spec"]["automountServiceAccountToken"] == true;
        let kubeconfig = token.then_some(self.kubeconfig.as_path());
        let exporter = Exporter::serve_text(&self.config().await, kubeconfig).await;
        exporter.ready().await;
        exporter
    }

    /// The exporters of the `StatefulSet`, likewise.
    async fn run_shards(&self) -> Vec<Exporter> {
        let set = self.there::<StatefulSet>("").await["spec"].clone();
        let container = &set["template"]["spec"]["containers"][0];
        let name = &container["env"][0];
        let field = &name["valueFrom"]["fieldRef"]["fieldPath"];
        assert_eq!(
            (&name["name"], field),
            (&json!("POD_NAME"), &json!("metadata.name"))
        );
        let words = container["args"].as_array().unwrap().iter();
        let words: Vec<_> = words.filter_map(Value::as_str).collect();
        assert_eq!(words[0], "serve");
        let mut exporters = Vec::new();
        for number in 0..set["replicas"].as_u64().unwrap() {
            let pod = format!("{}-{number}", self.name);
            let site = Site::new("shard");
            let file = site.write("config.yaml", &self.config().await);
            let shard = words[1..]
                .iter()
                .filter(|word| !word.starts_with("--config.file="));
            let mut arguments: Vec<_> = shard
                .map(|word| word.replace("$(POD_NAME)", &pod))
                .collect();
            arguments.push(format!("--config.file={file}"));
            arguments.push(format!("--kubeconfig={}", self.kubeconfig.display()));
            let exporter = Exporter::start(site, "serve", &arguments).await;
            exporter.ready().await;
            exporters.push(exporter);
        }
        exporters
    }

    /// Whether the API server answers this account; the only other answer may be 403.
    async fn may_list(
        &self,
        kind: &ApiResource,
        namespace: Option<&str>,
        select: &ListParams,
    ) -> bool {
        let client = self.client.clone();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, kind),
            None => Api::all_with(client, kind),
        };
        match api.list(select).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.code == 403 => false,
            Err(error) => panic!("{}: {error}", kind.plural),
        }
    }

    /// All that this account may list, of every kind there is, tried one by one: as
    /// `GROUP/RESOURCE`, with `NAMESPACE:` before it where it is not everywhere. What every account
    /// may list is not counted.
    async fn readable(&self) -> BTreeSet<String> {
        let mut readable = BTreeSet::new();
        let all = ListParams::default();
        let kinds = kinds(&self.client).await.into_iter();
        for (kind, namespaced) in kinds.filter(|(kind, _)| kind.plural != ANYBODYS) {
            let shown = format!("{}/{}", kind.group, kind.plural);
            if self.may_list(&kind, None, &all).await {
                readable.insert(shown);
            } else if namespaced {
                for namespace in NAMESPACES.into_iter().chain(["default", "kube-system"]) {
                    if self.may_list(&kind, Some(namespace), &all).await {
                        readable.insert(format!("{namespace}:{shown}"));
                    }
                }
            }
        }
        readable
    }

    /// What the `ClusterRole`, and the `Roles` where one is needed, permit: verb, group and resource.
    async fn granted(&self) -> BTreeSet<(String, String, String)> {
        let owned = ListParams::default().labels("app.kubernetes.io/managed-by=Helm");
        let whole: Api<ClusterRole> = Api::all(self.cluster.client());
        let parts: Api<Role> = Api::all(self.cluster.client());
        let whole = whole.list(&owned).await.unwrap().items.into_iter();
        let parts = parts.list(&owned).await.unwrap().items.into_iter();
        let rules = whole
            .filter_map(|role| role.rules)
            .chain(parts.filter_map(|role| role.rules));
        rules
            .flatten()
            .flat_map(|rule| {
                let group = first(rule.api_groups.as_ref());
                let resource = first(rule.resources.as_ref());
                let verbs = rule.verbs.into_iter();
                verbs.map(move |verb| (verb, group.clone(), resource.clone()))
            })
            .collect()
    }

    /// What this account has asked the API server for, and got, in the same form; questions about
    /// itself are not counted.
    fn asked(&self) -> BTreeSet<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let requests = self.cluster.requests(&self.name).into_iter();
        let about = requests.filter(|event| {
            event["objectRef"]["resource"].is_string()
                && event["objectRef"]["apiGroup"] != "authorization.k8s.io"
        });
        about
            .inspect(|event| assert_eq!(event["responseStatus"]["code"], 200, "{event}"))
            .map(|event| {
                let object = &event["objectRef"];
                let (verb, group) = (text(&event["verb"]), text(&object["apiGroup"]));
                (verb, group, text(&object["resource"]))
            })
            .collect()
    }

    /// The verbs that this account has in a namespace, but for questions about itself.
    async fn verbs(&self, namespace: &str) -> BTreeSet<String> {
        let review = json!({"spec": {"namespace": namespace}});
        let review: SelfSubjectRulesReview = serde_json::from_value(review).unwrap();
        let api: Api<SelfSubjectRulesReview> = Api::all(self.client.clone());
        let reviewed = api.create(&PostParams::default(), &review).await.unwrap();
        let rules = reviewed.status.unwrap().resource_rules;
        let others = rules.into_iter().filter(|rule| {
            let resources = rule.resources.iter().flatten();
            let anybodys = |name: &String| name == ANYBODYS || name.starts_with("selfsubject");
            !resources.clone().all(anybodys)
        });
        others.flat_map(|rule| rule.verbs).collect()
    }
}

/// Every kind that can be listed, and whether its objects are in namespaces.
async fn kinds(client: &kube::Client) -> Vec<(ApiResource, bool)> {
    let found = Discovery::new(client.clone()).run().await.unwrap();
    let kinds = found.groups().flat_map(|group| {
        let kinds = group.recommended_resources().into_iter();
        kinds.filter(|(_, can)| can.supports_operation(verbs::LIST))
    });
    kinds
        .map(|(kind, can)| (kind, can.scope == Scope::Namespaced))
        .collect()
}

/// What the sources that are on read of the kinds that this cluster has, as [`Release::readable`]
/// shows it.
async fn promised(cluster: &Cluster, sources: &[&str], namespaces: &[&str]) -> BTreeSet<String> {
    let known = kinds(&cluster.client()).await;
    let known = known
        .into_iter()
        .map(|(kind, _)| (kind.group, kind.plural))
        .collect::<BTreeSet<_>>();
    let on = SOURCES
        .iter()
        .filter(|source| sources.contains(&source.name));
    let namespaces: Vec<_> = namespaces.iter().map(|&name| name.to_owned()).collect();
    let mut promised = BTreeSet::new();
    for (grant, rules) in rules(on.flat_map(|source| source.access), &namespaces) {
        for rule in rules.iter().filter(|rule| rule.resource_names.is_none()) {
            let (group, plural) = (
                first(rule.api_groups.as_ref()),
                first(rule.resources.as_ref()),
            );
            if plural != ANYBODYS && known.contains(&(group.clone(), plural.clone())) {
                promised.insert(match &grant {
                    Grant::Cluster => format!("{group}/{plural}"),
                    Grant::Namespace(name) => format!("{name}:{group}/{plural}"),
                });
            }
        }
    }
    promised
}

/// The only one of a rule's groups, or of its resources.
fn first(names: Option<&Vec<String>>) -> String {
    match names.map(Vec::as_slice) {
        Some([name]) => name.clone(),
        other => panic!("one name is expected, not {other:?}"),
    }
}

/// Every source that reads the cluster and is on unless the configuration has it off.
fn usual() -> Vec<&'static str> {
    let usual = Config::default();
    SOURCES
        .iter()
        .filter(|source| !source.access.is_empty() && (source.enabled)(&usual))
        .map(|source| source.name)
        .collect()
}

/// The configuration with all of [`usual`] off but these, probes allowed to reach this machine.
fn only(sources: &[&str]) -> Value {
    let mut config = json!({"security": {"allow_networks": ["127.0.0.0/8"]}});
    for name in usual() {
        config["discovery"][name] = json!({"enabled": sources.contains(&name)});
    }
    config
}

/// A cluster with every kind that sources read or the chart makes, and an Ingress in each of
/// [`NAMESPACES`].
async fn cluster() -> Cluster {
    let cluster = Cluster::start().await;
    let known = kinds(&cluster.client()).await;
    let groups: BTreeSet<_> = known.iter().map(|(kind, _)| kind.group.clone()).collect();
    for access in SOURCES.iter().flat_map(|source| source.access) {
        // A built-in kind that this API server does not serve cannot be made; an experimental one is
        // read only where the one that came after it is missing.
        let is_read = access.verbs.contains(&"list");
        if is_read && !groups.contains(access.group) && !access.group.ends_with(".x-k8s.io") {
            // These have no other version.
            let version = match access.group {
                "traefik.io" => "v1alpha1",
                "elbv2.k8s.aws" | "networking.gke.io" => "v1beta1",
                _ => "v1",
            };
            cluster
                .custom_kind(&ApiResource {
                    group: access.group.to_owned(),
                    version: version.to_owned(),
                    api_version: format!("{}/{version}", access.group),
                    kind: access.resource.trim_end_matches('s').to_uppercase(),
                    plural: access.resource.to_owned(),
                })
                .await;
        }
    }
    for definition in fs::read_dir(tool("kube-apiserver").with_file_name("../crds/chart")).unwrap()
    {
        let definition = fs::read_to_string(definition.unwrap().path()).unwrap();
        cluster
            .install(&serde_json::from_str(&definition).unwrap())
            .await;
    }
    for namespace in NAMESPACES {
        cluster.namespace(namespace).await;
        publish(&cluster, namespace).await;
    }
    cluster
}

/// An Ingress with its load balancer at a closed port of this machine.
async fn publish(cluster: &Cluster, namespace: &str) {
    let host = format!("{namespace}.test");
    let spec = json!({
        "rules": [{"host": host}],
        "tls": [{"hosts": [host], "secretName": "any"}],
        "defaultBackend": {"service": {"name": "any", "port": {"number": 80}}},
    });
    let balancer =
        json!({"ingress": [{"ip": "127.0.0.1", "ports": [{"port": 9, "protocol": "TCP"}]}]});
    let metadata = json!({"name": namespace});
    cluster
        .apply::<Ingress>(namespace, json!({"metadata": metadata, "spec": spec}))
        .await;
    let status = json!({"metadata": metadata, "status": {"loadBalancer": balancer}});
    cluster.apply_status::<Ingress>(namespace, status).await;
}

/// That the exporter runs these sources and no others, has listed all that they read, and has been
/// refused nothing.
async fn sees(exporter: &Exporter, sources: &[&str]) {
    let synced = "kube_https_discovery_synced";
    let scrape = exporter
        .until("all sources are synced", |scrape| {
            let mut sources = sources.iter();
            sources.all(|source| scrape.metric(synced).label("source", source).get() == Some(1.0))
        })
        .await;
    let mut running = scrape.metric(synced).each("source");
    running.remove("static");
    assert_eq!(running, sources.iter().copied().collect());
    let body = exporter.get("/metrics").await.body;
    let mut errors = body
        .lines()
        .filter(|line| line.starts_with("kube_https_discovery_errors_total"));
    assert!(errors.all(|line| line.ends_with(" 0")), "{body}");
}

/// The namespaces whose Ingresses have a row.
async fn shown(exporter: &Exporter) -> Vec<String> {
    let scrape = exporter.scrape().await;
    let rows = scrape.metric("kube_https_probe_success");
    let rows = rows.label("source", "ingress").each("namespace");
    rows.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn by_default_it_reads_what_its_sources_do_and_nothing_else() {
    let cluster = cluster().await;
    let values = json!({"config": only(&usual())});
    let release = Release::install(&cluster, "helm", "whole", &values).await;
    assert_eq!(
        release.readable().await,
        promised(&cluster, &usual(), &[]).await
    );
    for namespace in ["default", "shop"] {
        let verbs: Vec<String> = release.verbs(namespace).await.into_iter().collect();
        assert_eq!(verbs, ["list", "watch"], "{namespace}");
    }
    let exporter = release.run().await;
    sees(&exporter, &usual()).await;
    assert_eq!(shown(&exporter).await, ["bank", "shop"]);
}

/// The Events of this reason in a namespace, once there is one.
async fn events(cluster: &Cluster, namespace: &str, action: &str) -> Vec<Event> {
    let api: Api<Event> = Api::namespaced(cluster.client(), namespace);
    for _ in 0..LOOKS {
        let found = api.list(&ListParams::default()).await.unwrap().items;
        let (found, _): (Vec<_>, Vec<_>) =
            (found.into_iter()).partition(|event| event.action.as_deref() == Some(action));
        if !found.is_empty() {
            return found;
        }
        sleep(LOOK_EVERY).await;
    }
    panic!("no Event says {action} in {namespace}");
}

#[tokio::test]
async fn where_it_is_turned_on_events_tell_who_looks_at_the_object() {
    let cluster = cluster().await;
    let mut values = json!({"config": only(&["ingress"])});
    values["config"]["events"] = json!({"enabled": true});
    let release = Release::install(&cluster, "helm", "events", &values).await;
    let verbs: Vec<String> = release.verbs("shop").await.into_iter().collect();
    assert_eq!(verbs, ["create", "list", "watch"]);
    let exporter = release.run().await;

    let found = events(&cluster, "shop", "Found").await;
    let ingress = cluster.get::<Ingress>("shop", "shop").await.unwrap();
    let [found] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(found.reason.as_deref(), Some("Unreachable"));
    assert_eq!(found.type_.as_deref(), Some("Warning"));
    let regarding = found.regarding.as_ref().unwrap();
    // Which is what `kubectl describe` asks for.
    assert_eq!(regarding.uid, ingress.metadata.uid);
    assert_eq!(regarding.kind.as_deref(), Some("Ingress"));
    let note = found.note.as_deref().unwrap();
    assert!(note.starts_with("shop.test:9: "), "{note}");

    cluster.delete::<Ingress>("shop", "shop").await;
    let gone = events(&cluster, "shop", "Gone").await;
    assert_eq!(gone[0].type_.as_deref(), Some("Normal"));
    assert!(
        !exporter.log().contains("an Event is lost"),
        "{}",
        exporter.log()
    );
}

#[tokio::test]
async fn one_source_in_one_namespace_reads_that_and_nothing_else() {
    let cluster = cluster().await;
    let mut config = only(&["ingress"]);
    config["namespaces"] = json!(["shop"]);
    let release = Release::install(&cluster, "helm4", "narrow", &json!({"config": config})).await;
    let readable = [
        "shop:networking.gke.io/frontendconfigs",
        "shop:networking.k8s.io/ingresses",
    ];
    let readable = readable.map(str::to_owned).into();
    assert_eq!(release.readable().await, readable);
    let exporter = release.run().await;
    exporter
        .until("the Ingress has a row", |scrape| {
            let rows = scrape.metric("kube_https_probe_success");
            !rows.each("namespace").is_empty()
        })
        .await;
    assert_eq!(shown(&exporter).await, ["shop"]);
}

#[tokio::test]
async fn shards_read_the_same_and_each_ingress_is_of_one_of_them() {
    let cluster = cluster().await;
    for number in 0..16 {
        let namespace = format!("team-{number}");
        cluster.namespace(&namespace).await;
        publish(&cluster, &namespace).await;
    }
    let values = json!({
        "config": only(&["ingress"]), "sharding": {"enabled": true, "shards": 3},
        "podDisruptionBudget": {"enabled": true},
    });
    let release = Release::install(&cluster, "helm", "shards", &values).await;
    assert_eq!(
        release.readable().await,
        promised(&cluster, &["ingress"], &[]).await
    );
    let exporters = release.run_shards().await;
    assert_eq!(exporters.len(), 3);
    let mut all = Vec::new();
    for exporter in &exporters {
        sees(exporter, &["ingress"]).await;
        let part = shown(exporter).await;
        assert!((1..18).contains(&part.len()), "{part:?}");
        all.extend(part);
    }
    all.sort_unstable();
    let teams = (0..16).map(|number| format!("team-{number}"));
    let mut expected: Vec<_> = teams.chain(NAMESPACES.map(str::to_owned)).collect();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn each_source_alone_reads_what_it_needs_and_nothing_else() {
    let cluster = cluster().await;
    for source in usual() {
        let release = source.replace('_', "-");
        let values = json!({"config": only(&[source])});
        let release = Release::install(&cluster, "helm", &release, &values).await;
        assert_eq!(
            release.readable().await,
            promised(&cluster, &[source], &[]).await,
            "{source}"
        );
        sees(&release.run().await, &[source]).await;
    }
}

#[tokio::test]
async fn sources_that_are_asked_for_are_granted_what_they_need() {
    let cluster = cluster().await;
    let opted = ["access_review", "network_policy"];
    let mut config = only(&[]);
    for source in opted {
        config["discovery"][source] = json!({"enabled": true});
    }
    let values = json!({"config": config});
    let release = Release::install(&cluster, "helm", "opted", &values).await;
    let exporter = release.run().await;
    sees(&exporter, &opted).await;
    // Both sources have synced: every review was permitted.
    let mut asked = release.asked();
    let [verb, group, resource] = ["create", "authorization.k8s.io", "subjectaccessreviews"];
    asked.insert((verb.into(), group.into(), resource.into()));
    assert_eq!(release.granted().await, asked);
}

#[tokio::test]
async fn targets_written_by_hand_need_neither_a_token_nor_a_role() {
    let cluster = cluster().await;
    let mut config = only(&[]);
    config["targets"] =
        json!([{"name": "shop", "url": "https://shop.test:9", "address": "127.0.0.1"}]);
    let release = Release::install(&cluster, "helm4", "static", &json!({"config": config})).await;
    let pod = release.pod().await;
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    assert_eq!(release.readable().await, BTreeSet::new());
    let exporter = release.run().await;
    sees(&exporter, &[]).await;
    let scrape = exporter.scrape().await;
    let success = scrape.metric("kube_https_probe_success");
    success.label("source", "static").value(0.0);
}

#[tokio::test]
async fn of_secrets_it_reads_those_that_are_named() {
    let cluster = cluster().await;
    for name in ["shop-tls", "other"] {
        let secret = json!({"metadata": {"name": name}});
        cluster.apply::<Secret>("shop", secret).await;
    }
    let secrets = json!([{"namespace": "shop", "name": "shop-tls"}]);
    let values = json!({"config": only(&[]), "secrets": secrets});
    let release = Release::install(&cluster, "helm", "secrets", &values).await;
    let pod = release.pod().await;
    assert_eq!(pod["spec"]["automountServiceAccountToken"], true);
    let config: Value = serde_saphyr::from_str(&release.config().await).unwrap();
    assert_eq!(config["secrets"], secrets);

    assert_eq!(release.readable().await, BTreeSet::new());
    let named = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    let kind = ApiResource::erase::<Secret>(&());
    for (namespace, name, may) in [
        (Some("shop"), "shop-tls", true),
        (Some("shop"), "other", false),
        (Some("bank"), "shop-tls", false),
        (None, "shop-tls", false),
    ] {
        let listed = release.may_list(&kind, namespace, &named(name)).await;
        assert_eq!(listed, may, "{namespace:?} {name}");
    }
    let api: Api<Secret> = Api::namespaced(release.client.clone(), "shop");
    assert!(api.get("shop-tls").await.is_ok());
    assert!(api.get("other").await.is_err());
    let verbs: Vec<String> = release.verbs("shop").await.into_iter().collect();
    assert_eq!(verbs, ["get", "list", "watch"]);
}

#[tokio::test]
async fn what_is_granted_is_what_is_asked_for() {
    let cluster = cluster().await;
    let values = json!({"config": only(&usual())});
    let release = Release::install(&cluster, "helm", "least", &values).await;
    let served = kinds(&cluster.client()).await;
    let served = served
        .into_iter()
        .map(|(kind, _)| (kind.group, kind.plural))
        .collect::<BTreeSet<_>>();
    let granted = release.granted().await;
    let granted: BTreeSet<_> = granted
        .into_iter()
        .filter(|(_, group, resource)| served.contains(&(group.clone(), resource.clone())))
        .collect();
    let exporter = release.run().await;
    sees(&exporter, &usual()).await;
    for _ in 0..LOOKS {
        if release.asked() == granted {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
    assert_eq!(release.asked(), granted);
}

#[tokio::test]
async fn the_api_server_takes_every_object_and_pod_security_the_pod() {
    let cluster = cluster().await;
    let on = json!({"enabled": true});
    for (helm, release, monitor) in [
        ("helm", "three", "serviceMonitor"),
        ("helm4", "four", "podMonitor"),
    ] {
        let mut values = json!({
            "config": only(&["ingress"]), "prometheusRule": on, "dashboards": on, "grafanaDashboard": on,
            "networkPolicy": on, "podDisruptionBudget": on,
        });
        values[monitor] = on.clone();
        let release = Release::install(&cluster, helm, release, &values).await;
        release.there::<Service>("").await;
        release.there::<ServiceAccount>("").await;
        release.there::<NetworkPolicy>("").await;
        release.there::<PodDisruptionBudget>("").await;
        release.there::<ConfigMap>("-dashboards").await;
        let pod = release.pod().await;
        assert_eq!(pod["spec"]["serviceAccountName"], release.name);
        let container = &pod["spec"]["containers"][0];
        let arguments = [
            "serve",
            "--config.file=/etc/kube-https-exporter/config.yaml",
        ];
        assert_eq!(container["args"], json!(arguments));
        let exporter = release.run().await;
        for probe in ["livenessProbe", "readinessProbe"] {
            let path = container[probe]["httpGet"]["path"].as_str().unwrap();
            assert_eq!(exporter.get(path).await.status, 200, "{path}");
        }
        is_restricted(&cluster, &release.name, pod).await;
    }
}

/// That Pod Security, at its strictest, admits a pod, and would not without its seccomp profile.
async fn is_restricted(cluster: &Cluster, name: &str, mut pod: Value) {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let metadata = json!({"name": "restricted", "labels": labels});
    cluster
        .apply::<Namespace>("", json!({"metadata": metadata}))
        .await;
    let api: Api<Pod> = Api::namespaced(cluster.client(), "restricted");
    pod["metadata"]["name"] = name.into();
    let make = |pod: &Value| serde_json::from_value::<Pod>(pod.clone()).unwrap();
    let once = PostParams::default();
    api.create(&once, &make(&pod)).await.unwrap();

    pod["metadata"]["name"] = format!("{name}-open").into();
    pod["spec"]["securityContext"]["seccompProfile"] = Value::Null;
    let refused = api.create(&once, &make(&pod)).await.unwrap_err();
    assert!(refused.to_string().contains("seccompProfile"), "{refused}");
}
