package ci_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const deploy = "examples/deploy"

func readDeploy(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), name))
	require.NoError(t, err)
	return data
}

// documents are those of a YAML file.
func documents(t *testing.T, name string) (all []map[string]any) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader(readDeploy(t, name))); ; {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, name)
		all = append(all, doc)
	}
}

// at follows keys and indices.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v of %v", step, v)
			v = m[step]
		case int:
			l, ok := v.([]any)
			require.True(t, ok && step < len(l), "%v of %v", step, v)
			v = l[step]
		}
	}
	return v
}

// TestDeploySettings: every variable that the deployments set is one that a program reads, and every flag is one.
func TestDeploySettings(t *testing.T) {
	help := string(readDeploy(t, "examples/internal/config/testdata/server.help")) + string(readDeploy(t, "examples/internal/config/testdata/trainer.help"))
	foreign := []string{"HOME", "XDG_CACHE_HOME", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_DISABLE_TELEMETRY"} // of the system's and MLflow's
	check := func(where, name string) {
		name = strings.TrimSuffix(name, "_FILE")
		read := regexp.MustCompile(`\b` + name + `(_FILE)?\b`).MatchString(help)
		assert.True(t, slices.Contains(foreign, name) || read, "%s sets %s, which nothing reads", where, name)
	}
	stack := documents(t, "compose.yaml")[0]
	for service := range at(t, stack, "services").(map[string]any) {
		if environ, ok := at(t, stack, "services", service, "environment").(map[string]any); ok {
			for name := range environ {
				check("compose.yaml", name)
			}
		}
	}
	for _, literal := range at(t, documents(t, deploy+"/kubernetes/kustomization.yaml")[0], "configMapGenerator", 0, "literals").([]any) {
		check("kustomization.yaml", strings.Split(literal.(string), "=")[0])
	}
	for _, unit := range []string{"docent-api.service", "docent-train.service"} {
		for _, line := range regexp.MustCompile(`(?m)^Environment=(.*)$`).FindAllStringSubmatch(string(readDeploy(t, deploy+"/systemd/"+unit)), -1) {
			for _, pair := range strings.Fields(line[1]) {
				check(unit, strings.Split(pair, "=")[0])
			}
		}
	}
	for _, file := range []string{"api.yaml", "train.yaml"} {
		for _, arg := range at(t, documents(t, deploy+"/kubernetes/"+file)[0], "spec", "template", "spec", "containers", 0, "args").([]any) {
			if flag := arg.(string); strings.HasPrefix(flag, "-") {
				assert.Regexp(t, `(?m)^  `+flag+`( |$)`, help, file)
			}
		}
	}
}

// TestDeployKubernetes: the parts name each other, nothing runs as root, and an update takes no pod away before another is
// ready.
func TestDeployKubernetes(t *testing.T) {
	folder := deploy + "/kubernetes/"
	kinds := map[string]map[string]any{}
	for _, file := range at(t, documents(t, folder+"kustomization.yaml")[0], "resources").([]any) {
		for _, doc := range documents(t, folder+file.(string)) {
			kinds[doc["kind"].(string)] = doc
		}
	}
	api := kinds["Deployment"]
	labels := at(t, api, "spec", "template", "metadata", "labels")
	for _, selector := range []any{at(t, api, "spec", "selector", "matchLabels"), at(t, kinds["Service"], "spec", "selector"), at(t, kinds["PodDisruptionBudget"], "spec", "selector", "matchLabels")} {
		assert.Equal(t, labels, selector)
	}
	assert.Equal(t, 0, at(t, api, "spec", "strategy", "rollingUpdate", "maxUnavailable"))
	for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
		get := at(t, api, "spec", "template", "spec", "containers", 0, probe, "httpGet").(map[string]any)
		assert.Equal(t, "http", get["port"])
		assert.Contains(t, []any{"/health/ready", "/health/live"}, get["path"])
	}
	for _, pod := range []any{at(t, api, "spec", "template", "spec"), at(t, documents(t, folder+"train.yaml")[0], "spec", "template", "spec")} {
		assert.Equal(t, true, at(t, pod, "securityContext", "runAsNonRoot"))
		assert.Equal(t, true, at(t, pod, "containers", 0, "securityContext", "readOnlyRootFilesystem"))
		mounted := map[string]bool{}
		for _, m := range at(t, pod, "containers", 0, "volumeMounts").([]any) {
			mounted[m.(map[string]any)["name"].(string)] = true
		}
		for _, v := range at(t, pod, "volumes").([]any) {
			assert.True(t, mounted[v.(map[string]any)["name"].(string)], v)
		}
	}
}

// schemaFolder has Kubernetes' schemas, by the ends of their addresses.
type schemaFolder string

func (s schemaFolder) Load(url string) (any, error) {
	f, err := os.Open(filepath.Join(string(s), path.Base(url)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}

// TestDeployKubernetesSchemas holds the manifests against those of Kubernetes, which know no other fields than its own.
func TestDeployKubernetesSchemas(t *testing.T) {
	schemas := os.Getenv("DOCENT_KUBERNETES")
	if schemas == "" {
		t.Skip("DOCENT_KUBERNETES names no folder of schemas; make test-full fetches one")
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(schemaFolder(schemas))
	checked := 0
	for _, file := range []string{"namespace.yaml", "api.yaml", "volumes.yaml", "train.yaml"} {
		for _, doc := range documents(t, deploy+"/kubernetes/"+file) {
			name := strings.ToLower(doc["kind"].(string)+"-"+strings.ReplaceAll(strings.TrimSuffix(doc["apiVersion"].(string), ".k8s.io"), "/", "-")) + ".json"
			schema, err := compiler.Compile("https://kubernetes.io/api/" + name)
			require.NoError(t, err)
			text, err := json.Marshal(doc)
			require.NoError(t, err)
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			require.NoError(t, err)
			require.NoError(t, schema.Validate(value), file)
			doc["spek"] = 1
			require.Error(t, schema.Validate(doc), "a field that Kubernetes does not know")
			checked++
		}
	}
	assert.Equal(t, 7, checked)
}

// TestDeployMonitoring: the dashboard and the alerts ask for metrics that there are, and promtool, where it is, agrees with the rules.
func TestDeployMonitoring(t *testing.T) {
	known := map[string]bool{}
	for _, name := range regexp.MustCompile(`"(docent_\w+)"`).FindAllStringSubmatch(string(readDeploy(t, "serve/prometheus/prometheus.go")), -1) {
		known[name[1]] = true
	}
	require.NotEmpty(t, known)
	folder := filepath.Join(root(t), deploy, "monitoring")
	for _, file := range []string{"dashboard.json", "alerts.yaml", "alerts_test.yaml"} {
		for _, name := range regexp.MustCompile(`\bdocent_\w+`).FindAllString(string(readDeploy(t, deploy+"/monitoring/"+file)), -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			assert.True(t, known[base], "%s asks for %s", file, name)
		}
	}
	assert.True(t, json.Valid(readDeploy(t, deploy+"/monitoring/dashboard.json")))
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool, of Prometheus, is not installed")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
