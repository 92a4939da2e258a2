//! The chart, installed into a real cluster: an API server takes all that it renders, and the
//! program works by the configuration and the permissions that it gives, and has no others.

use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube_https_exporter::discover::Search;
use serde_json::json;

use crate::cluster::{Cluster, MONITORING};
use crate::exporter::Exporter;
use crate::process::{Site, command, run};

/// The release, and what the chart makes of it: the name of nearly everything.
const RELEASE: &str = "doors";
const NAME: &str = "doors-kube-https-exporter";

/// A kind of the Prometheus operator.
fn operators(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind))
}

fn install(cluster: &Cluster) {
    let site = Site::new("helm");
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/kube-https-exporter");
    let on = json!({"enabled": true});
    let values = json!({
        "config": {"interval": "1m", "security": {"allow_networks": ["127.0.0.0/8"]}},
        "serviceMonitor": on, "prometheusRule": on, "dashboards": on,
        "networkPolicy": on, "podDisruptionBudget": on,
    });
    let values = site.write("values.yaml", &values.to_string());
    run(command("helm")
        .env("HOME", &site.dir)
        .args([
            "install",
            RELEASE,
            "--namespace",
            MONITORING,
            "--values",
            &values,
        ])
        .arg("--kubeconfig")
        .arg(cluster.admin_kubeconfig())
        .arg(chart));
}

/// Gives an object, which must be there.
async fn there<K: kube::Resource<DynamicType = ()>>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> DynamicObject {
    let found = cluster.get::<K>(namespace, name).await;
    found.unwrap_or_else(|| panic!("no {} {namespace}/{name}", K::kind(&())))
}

#[tokio::test]
async fn the_chart_installs_and_gives_what_the_program_needs() {
    let cluster = Cluster::start().await;
    let (monitor, rules) = (operators("ServiceMonitor"), operators("PrometheusRule"));
    cluster.custom_kind(&monitor).await;
    cluster.custom_kind(&rules).await;
    install(&cluster);

    there::<ServiceAccount>(&cluster, MONITORING, NAME).await;
    there::<ClusterRole>(&cluster, "", NAME).await;
    there::<ClusterRoleBinding>(&cluster, "", NAME).await;
    let role = format!("{NAME}-api-server");
    there::<Role>(&cluster, "default", &role).await;
    there::<RoleBinding>(&cluster, "default", &role).await;
    there::<Service>(&cluster, MONITORING, NAME).await;
    there::<NetworkPolicy>(&cluster, MONITORING, NAME).await;
    there::<PodDisruptionBudget>(&cluster, MONITORING, NAME).await;
    there::<ConfigMap>(&cluster, MONITORING, &format!("{NAME}-dashboards")).await;
    cluster.get_custom(&monitor, MONITORING, NAME).await;
    cluster.get_custom(&rules, MONITORING, NAME).await;

    let deployment = there::<Deployment>(&cluster, MONITORING, NAME).await;
    let config = there::<ConfigMap>(&cluster, MONITORING, NAME).await;
    let pod = &deployment.data["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], NAME);
    let container = &pod["containers"][0];
    let arguments = json!([
        "serve",
        "--config.file=/etc/kube-https-exporter/config.yaml"
    ]);
    assert_eq!(container["args"], arguments);

    // As that pod would, but for where the files are and where it listens.
    let config = config.data["data"]["config.yaml"].as_str().unwrap();
    let token = cluster.token(NAME).await;
    let kubeconfig = cluster.kubeconfig(&token);
    let exporter = Exporter::serve_text(config, Some(&kubeconfig)).await;
    exporter.ready().await;
    for probe in ["livenessProbe", "readinessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(exporter.get(path).await.status, 200, "{path}");
    }
    let scrape = exporter.scrape().await;
    for source in ["ingress", "api_server"] {
        let synced = scrape.metric("kube_https_discovery_synced");
        synced.label("source", source).holds();
    }
    let interval = scrape.metric("kube_https_probe_interval_seconds");
    interval.label("kind", "regular").value(60.0);

    let found = Search::new(Some(kubeconfig), None, None, None);
    let client = found.find().await.unwrap().client;
    assert!(may_list::<Ingress>(&client).await);
    assert!(!may_list::<Secret>(&client).await);
    assert!(!may_list::<Pod>(&client).await);
    assert!(!may_list::<Namespace>(&client).await);
    assert!(!may_list::<ConfigMap>(&client).await);
}

/// Whether the API server lists every object of this kind to the holder of this client.
async fn may_list<K>(client: &kube::Client) -> bool
where
    K: kube::Resource<DynamicType = ()>,
{
    let kind = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    match api.list(&ListParams::default()).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 403 => false,
        Err(error) => panic!("{}: {error}", kind.plural),
    }
}
