"""Two versions of a small churn model for the registry: what serves today, and what would like to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

SEED = 20260101
CUSTOMERS = 6_000
TRAINING_SHARE = 0.75
LABEL = "churned"
ROLE_TAG = "abflow.demo_role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model to train: who it is, what it sees, how it learns."""

    alias: str
    features: tuple[str, ...]
    pipeline: Pipeline


def register_demo_models(tracking_uri: str, model_name: str) -> tuple[int, int]:
    """Train and register the two versions, and answer their numbers: champion, challenger.

    A second call trains nothing. It only puts the model's aliases back as they were in the beginning.
    """
    with _tracking(tracking_uri):
        client = mlflow.MlflowClient()
        known = _known_versions(client, model_name)
        customers = make_customers()
        numbers = [
            known.get(candidate.alias) or _train(client, model_name, candidate, customers) for candidate in candidates()
        ]
        _put_aliases_back(client, model_name, dict(zip(("champion", "challenger"), numbers, strict=True)))
    return numbers[0], numbers[1]


@contextmanager
def _tracking(uri: str) -> Iterator[None]:
    """Point MLflow to a server, and afterwards back to where it pointed before."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _known_versions(client: mlflow.MlflowClient, model_name: str) -> dict[str, int]:
    """The versions of an earlier call, by the alias they began with."""
    found = client.search_model_versions(f"name = '{model_name}'")
    return {each.tags[ROLE_TAG]: int(each.version) for each in found if ROLE_TAG in each.tags}


def make_customers(seed: int = SEED) -> pd.DataFrame:
    """Customers with what is known of them, and whether they left; one row each.

    Tenure and price say something about leaving. Behaviour, which only the challenger sees, says more, and
    not in a straight line: silence matters most to those who pay much.
    """
    random = np.random.default_rng(seed)
    tenure = random.gamma(2.0, 12.0, CUSTOMERS)
    charge = random.normal(60.0, 18.0, CUSTOMERS).clip(15.0)
    silence = random.exponential(9.0, CUSTOMERS)
    tickets = random.poisson(0.8, CUSTOMERS).astype(float)
    score = -1.6 - 0.04 * tenure + 0.012 * charge + 0.0016 * silence * charge + 0.45 * tickets
    left = random.random(CUSTOMERS) < 1 / (1 + np.exp(-score))
    return pd.DataFrame(
        {
            "tenure_months": tenure,
            "monthly_charge": charge,
            "days_since_login": silence,
            "support_tickets": tickets,
            LABEL: left.astype(int),
        }
    )


def candidates() -> tuple[Candidate, Candidate]:
    """The model that serves today and the one that would like to."""
    known_at_signup = ("tenure_months", "monthly_charge")
    return (
        Candidate(
            alias="champion",
            features=known_at_signup,
            pipeline=make_pipeline(StandardScaler(), LogisticRegression()),
        ),
        Candidate(
            alias="challenger",
            features=(*known_at_signup, "days_since_login", "support_tickets"),
            # Products let it see that silence weighs more with those who pay much. So could a forest, but
            # MLflow stores models in a format that refuses to load trees without special permission.
            pipeline=make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()),
        ),
    )


def _train(client: mlflow.MlflowClient, model_name: str, candidate: Candidate, customers: pd.DataFrame) -> int:
    """Train one candidate, log it with its quality, and answer its version."""
    cut = int(TRAINING_SHARE * len(customers))
    rows = customers[list(candidate.features)]
    model = candidate.pipeline.fit(rows[:cut], customers[LABEL][:cut])
    unseen = model.predict_proba(rows[cut:])
    mlflow.set_experiment(f"{model_name}_training")
    with mlflow.start_run(run_name=f"{model_name} {candidate.alias}"):
        mlflow.log_param("features", ", ".join(candidate.features))
        mlflow.log_metric("auc", float(roc_auc_score(customers[LABEL][cut:], unseen[:, 1])))
        logged = mlflow.sklearn.log_model(
            model,
            name=candidate.alias,
            registered_model_name=model_name,
            signature=infer_signature(rows, unseen),
            input_example=rows.head(3),
            # A probability, not a label: the shadow phase compares how sure the two are.
            pyfunc_predict_fn="predict_proba",
            # Finding out what a model needs takes MLflow half a minute; here it is known.
            pip_requirements=[f"{name}=={version(name)}" for name in ("scikit-learn", "numpy", "pandas")],
        )
    number = int(logged.registered_model_version)
    client.set_model_version_tag(model_name, str(number), ROLE_TAG, candidate.alias)
    return number


def _put_aliases_back(client: mlflow.MlflowClient, model_name: str, wanted: dict[str, int]) -> None:
    """Give the model these aliases and no others."""
    present = {alias: int(number) for alias, number in client.get_registered_model(model_name).aliases.items()}
    for alias in present.keys() - wanted.keys():
        client.delete_registered_model_alias(model_name, alias)
    for alias, number in wanted.items():
        client.set_registered_model_alias(model_name, alias, str(number))
