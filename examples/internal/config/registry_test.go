package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRegistryForms(t *testing.T) {
	for given, want := range map[string]Registry{
		"file:./registry":           {Dir: "./registry"},
		"file:registry":             {Dir: "registry"},
		"file:///srv/registry":      {Dir: "/srv/registry"},
		`file:C:\registry`:          {Dir: `C:\registry`},
		"http://mlflow:5000/":       {URL: "http://mlflow:5000"},
		"https://host/some/prefix/": {URL: "https://host/some/prefix"},
	} {
		got, err := ParseRegistry(given)
		require.NoError(t, err, given)
		assert.Equal(t, want, got, given)
		again, err := ParseRegistry(got.String())
		require.NoError(t, err)
		assert.Equal(t, got, again)
	}
	for given, hint := range map[string]string{
		"./registry":           "for a folder write file:DIR",
		"":                     "for a folder write file:DIR",
		"file:":                "must name a folder",
		"file://registry":      "write file:DIR",
		"sqlite:///m.db":       "start an MLflow server",
		"http://":              "host",
		"http://h?x=1":         "query",
		"http://u:pw@h":        "MLFLOW_TRACKING_USERNAME",
		"http://h:port":        "no valid URL",
		"databricks":           "http URL of an MLflow server",
		"mlflow:5000":          "http URL of an MLflow server",
		"http://[::1":          "no valid URL",
		"http://u:p%zzw@h/%zz": "no valid URL",
	} {
		_, err := ParseRegistry(given)
		assert.ErrorContains(t, err, hint, given)
	}
}

func TestPasswordInRegistryURLIsNeverShown(t *testing.T) {
	for _, given := range []string{"http://u:hunter2@h", "u:hunter2@h:5000", "http://u:hun@hunter2@h", "http://u:hunter2%zz@h",
		"http://u:hunter2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@h"} {
		_, explain, err := LoadServer(Input{
			Folder: files("base.json", `{"registry": "`+given+`"}`), Environ: []string{"MLFLOW_TRACKING_URI=" + given}, Args: []string{"-registry", given},
		})
		require.Error(t, err)
		assert.Len(t, reasons(err), 3)
		assert.NotContains(t, err.Error()+explain.String(), "hunter2")
	}
}

func TestMLflowHostBecomesLocalhostWhereItDoesNotResolve(t *testing.T) {
	unknown := func(string) ([]string, error) { return nil, errors.New("no such host") }
	known := func(string) ([]string, error) { return []string{"10.0.0.7"}, nil }
	for _, tc := range []struct {
		name, uri string
		lookup    func(string) ([]string, error)
		want      string
	}{
		{"resolves", "http://mlflow:5000", known, "http://mlflow:5000"},
		{"does not", "http://mlflow:5000", unknown, "http://localhost:5000"},
		{"keeps the path", "https://MLflow/some/path", unknown, "https://localhost/some/path"},
		{"another host", "http://mlflow.example:5000", unknown, "http://mlflow.example:5000"},
		{"not asked", "http://mlflow:5000", nil, "http://mlflow:5000"},
	} {
		cfg, explain, err := LoadServer(Input{Environ: []string{"MLFLOW_TRACKING_URI=" + tc.uri}, LookupHost: tc.lookup})
		require.NoError(t, err, tc.name)
		assert.Equal(t, Registry{URL: tc.want}, cfg.Registry, tc.name)
		if tc.want != tc.uri {
			assert.Contains(t, entry(t, explain, "registry").Origin, "environment (MLFLOW_TRACKING_URI); host mlflow does not resolve, localhost instead")
			assert.Equal(t, []string{"the registry's host mlflow does not resolve here, so it is " + tc.want}, explain.Notes)
		}
	}
	_, _, err := LoadServer(Input{LookupHost: func(string) ([]string, error) { t.Error("asked without need"); return nil, nil }})
	require.NoError(t, err)
}

func TestMLflowCredentials(t *testing.T) {
	for _, tc := range []struct {
		environ []string
		want    []string
	}{
		{[]string{"MLFLOW_TRACKING_USERNAME=u"}, []string{"mlflow_username: u from environment (MLFLOW_TRACKING_USERNAME): needs MLFLOW_TRACKING_PASSWORD too"}},
		{[]string{"MLFLOW_TRACKING_PASSWORD=p"}, []string{"mlflow_password: environment (MLFLOW_TRACKING_PASSWORD): needs MLFLOW_TRACKING_USERNAME too"}},
		{[]string{"MLFLOW_TRACKING_INSECURE_TLS=1", "MLFLOW_TRACKING_SERVER_CERT_PATH=ca.pem"}, []string{"mlflow_insecure_tls: true from environment (MLFLOW_TRACKING_INSECURE_TLS): excludes mlflow_server_cert (from environment (MLFLOW_TRACKING_SERVER_CERT_PATH)): keep one"}},
	} {
		_, _, err := LoadServer(Input{Environ: tc.environ})
		assert.Equal(t, tc.want, reasons(err))
	}
	cfg, explain, err := LoadServer(Input{Environ: []string{"MLFLOW_TRACKING_USERNAME=u", "MLFLOW_TRACKING_PASSWORD=p", "MLFLOW_TRACKING_TOKEN=t"}})
	require.NoError(t, err)
	assert.Equal(t, "p", cfg.MLflow.Password.Reveal())
	assert.Len(t, explain.Notes, 1)
}

// TestCertificatesOfRequests: what the Python world trusts counts where nothing else is said, as for MLflow's own client.
func TestCertificatesOfRequests(t *testing.T) {
	for _, test := range []struct{ environ, want string }{
		{"MLFLOW_TRACKING_URI=https://h REQUESTS_CA_BUNDLE=/ca.pem CURL_CA_BUNDLE=/other", "/ca.pem"},
		{"MLFLOW_TRACKING_URI=https://h CURL_CA_BUNDLE=/other", "/other"},
		{"MLFLOW_TRACKING_URI=https://h MLFLOW_TRACKING_SERVER_CERT_PATH=/own.pem REQUESTS_CA_BUNDLE=/ca.pem", "/own.pem"},
		{"MLFLOW_TRACKING_URI=https://h MLFLOW_TRACKING_INSECURE_TLS=true REQUESTS_CA_BUNDLE=/ca.pem", ""},
		{"MLFLOW_TRACKING_URI=http://h REQUESTS_CA_BUNDLE=/ca.pem", ""},
		{"REQUESTS_CA_BUNDLE=/ca.pem", ""},
	} {
		cfg, _, err := LoadTool(Input{Environ: strings.Fields(test.environ)})
		require.NoError(t, err)
		assert.Equal(t, test.want, cfg.MLflow.ServerCert, test.environ)
	}
}
