"""Publishes models as people do in Python, and tells what MLflow's own client finds under each name.

    mlflow_theirs.py URL

Each line that it prints is a JSON array: a URI, and the SHA-256 of each file that MLflow downloads for it, by path.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

import mlflow

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("theirs")
client = mlflow.MlflowClient()

with mlflow.start_run() as run:
    logged = mlflow.pyfunc.log_model(name="model", python_model=lambda model_input: model_input, pip_requirements=[])
    mlflow.log_text("notes", "notes/deep/größe 1.txt")
    mlflow.log_text("flavors: {}", "classic/MLmodel")
    mlflow.log_text("weights", "classic/data/weights")
run = run.info

mlflow.register_model(f"runs:/{run.run_id}/model", "theirs")  # version 1, of the logged model
client.create_model_version("theirs", f"{run.artifact_uri}/classic", run.run_id)  # 2, as before MLflow 3
client.create_model_version("theirs", f"runs:/{run.run_id}/classic", run.run_id)  # 3
mlflow.register_model(f"models:/{logged.model_id}", "theirs")  # 4
client.transition_model_version_stage("theirs", "1", "Production")
client.transition_model_version_stage("theirs", "2", "Production")
client.transition_model_version_stage("theirs", "3", "Staging")
client.set_registered_model_alias("theirs", "Champion", "2")
client.set_registered_model_alias("theirs", "Production", "3")  # not what models:/theirs/Production means
for version in "1", "2":
    client.copy_model_version(f"models:/theirs/{version}", "2026")  # a name of digits
client.set_registered_model_alias("2026", "7", "2")

for uri in (
    "models:/theirs/1",
    "models:/theirs/2",
    "models:/theirs/3",
    "models:/theirs/latest",
    "models:/theirs/LATEST",
    "models:/theirs/Production",
    "models:/theirs/pRoDuction",
    "models:/theirs/staging",
    "models:/theirs/None",
    "models:/theirs@Champion",
    "models:/theirs@Production",
    "models:/theirs/2/data",
    "models:/theirs/1/MLmodel",
    "models:/theirs@Champion/data/weights",
    "models:/2026/1",
    "models:/2026/2",
    "models:/2026@7",
    "models:/2026/2/data",
    f"models:/{logged.model_id}",
    f"runs:/{run.run_id}/model",
    f"runs:/{run.run_id}/model/MLmodel",
    f"runs:/{run.run_id}/classic",
    f"runs:/{run.run_id}/notes/deep",
):
    with tempfile.TemporaryDirectory() as out:
        got = pathlib.Path(mlflow.artifacts.download_artifacts(uri, dst_path=out))
        files = [got] if got.is_file() else [f for f in got.rglob("*") if f.is_file() and f.name != "registered_model_meta"]
        base = got.parent if got.is_file() else got
        sums = {f.relative_to(base).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
        assert sums, uri
        print(json.dumps([uri, sums]))
