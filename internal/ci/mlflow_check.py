"""Opens a version that docent registered, as people do: with MLflow's own client.

    mlflow_check.py URL NAME VERSION FOLDER [BASE]

URL is the tracking server's, and FOLDER what docent logged as the model. It checks that MLflow finds the version under
each of its names, that the downloaded files are those of FOLDER (but for MLmodel, which is the version's own), and, where
transformers is installed and FOLDER is a model that it reads, that mlflow.transformers and mlflow.pyfunc load it, or with a
BASE model that mlflow.transformers puts the adapter in FOLDER on that.
"""

import importlib.util
import pathlib
import sys
import tempfile

import mlflow

url, name, version, folder, *base = sys.argv[1:]
folder = pathlib.Path(folder)
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()

found = client.get_model_version(name, version)
assert found.status == "READY", found
assert "docent.publish_id" in found.tags, found.tags
assert client.get_model_version_by_alias(name, "production").version == version
assert [v.version for v in client.get_latest_versions(name, ["Production"])] == [version]

uris = [f"models:/{name}/{version}", f"models:/{name}/Production", f"models:/{name}/latest", f"models:/{name}@production"]
model_id = None  # of a version made of a run's artifacts, as for a server before MLflow 3
if found.source.startswith("models:/"):
    logged = mlflow.get_logged_model(found.source.removeprefix("models:/"))
    model_id = logged.model_id
    assert logged.status == "READY", logged
    assert model_id in [m.model_id for m in client.get_run(found.run_id).outputs.model_outputs]
    uris += [f"models:/{model_id}", f"runs:/{found.run_id}/{logged.name}"]

run = client.get_run(found.run_id)
if model_id and "eval/as_written" in run.data.metrics:  # docent's trainer made it: what MLflow's pages show
    assert "| asked | before | after |" in run.data.tags["mlflow.note.content"], run.data.tags
    assert run.data.tags["mlflow.source.name"] == "docent trainer" and run.data.tags["mlflow.user"], run.data.tags
    assert logged.params == run.data.params, logged.params
    assert {m.key: m.value for m in logged.metrics} == run.data.metrics, logged.metrics
    table = client.load_table(run.info.experiment_id, "evaluation.json", [run.info.run_id])
    assert list(table["question"]) and {"expected", "before", "after", "right"} <= set(table.columns), table
    assert 0 < run.data.metrics["epoch"] <= float(run.data.params["epochs"])

for uri in uris:
    info = mlflow.models.get_model_info(uri)
    assert info.run_id == found.run_id and info.model_id == model_id, info
    with tempfile.TemporaryDirectory() as out:
        got = pathlib.Path(mlflow.artifacts.download_artifacts(uri, dst_path=out))
        for path in folder.rglob("*"):
            if path.is_file() and path.name != "MLmodel":
                theirs = got / path.relative_to(folder)
                assert theirs.read_bytes() == path.read_bytes(), f"{uri}: {theirs} differs"

transformers = (folder / "tokenizer.json").exists() and importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
if transformers:
    pipeline = mlflow.transformers.load_model(f"models:/{name}@production")
    assert pipeline.tokenizer("hello")["input_ids"], "an empty tokenizer"
    answer = pipeline("hello", max_new_tokens=4, do_sample=False)
    assert answer[0]["generated_text"].startswith("hello"), answer
    assert mlflow.pyfunc.load_model(f"models:/{name}/{version}").predict(["hello"])
if base and importlib.util.find_spec("peft"):
    loaded = mlflow.transformers.load_model(f"models:/{name}@production", base_model_path=base[0], return_type="components")
    assert type(loaded["model"]).__name__.startswith("PeftModel"), loaded
    transformers = True
print(f"{name} version {version}: files equal" + (", loaded by transformers" if transformers else "; transformers is not here to load it"))
