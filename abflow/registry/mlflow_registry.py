"""The model registry: what it holds now, and applying a plan to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, assert_never

from abflow.errors import RegistryError, RegistryMoved
from abflow.registry.mlflow_client import mlflow_client, mlflow_errors
from abflow.registry.plan import Change, MoveAlias, PromotionPlan, SetStage, SetTag, describe


@dataclass(frozen=True)
class MlflowRegistry:
    """The registry behind one MLflow address."""

    tracking_uri: str

    def aliases(self, model: str) -> dict[str, str]:
        """The version that each alias of a model points at; versions are text, whatever the store returns.

        Raises:
            RegistryError: There is no such model, or MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        with mlflow_errors(self.tracking_uri, f"reading model {model!r}"):
            try:
                registered = self._client.get_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                raise RegistryError(
                    f"MLflow at {self.tracking_uri} has no registered model {model!r}; register it, or correct "
                    "`model` in the experiment file"
                ) from error
        return {str(alias): str(version) for alias, version in registered.aliases.items()}

    def resolve(self, model: str, version: str) -> str:
        """The version number behind an alias (`@champion`) or a number.

        Raises:
            RegistryError: The model has no such alias or version.
        """
        aliases = self.aliases(model)
        if version.startswith("@"):
            if version[1:] not in aliases:
                known = ", ".join(f"@{alias} -> {number}" for alias, number in sorted(aliases.items())) or "none"
                raise RegistryError(
                    f"model {model!r} has no alias {version!r} (it has {known}); set it in MLflow, or name a "
                    "version number in the experiment file"
                )
            return aliases[version[1:]]
        from mlflow.exceptions import MlflowException

        with mlflow_errors(self.tracking_uri, f"reading version {version} of model {model!r}"):
            try:
                return str(self._client.get_model_version(model, version).version)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                raise RegistryError(
                    f"model {model!r} has no version {version}; correct the version in the experiment file"
                ) from error

    def apply(self, plan: PromotionPlan) -> tuple[str, ...]:
        """Do what a plan says and has not been done yet; the caller holds the ledger's lock.

        Returns:
            What was changed, in words; empty when everything was so already.

        Raises:
            RegistryMoved: The alias is neither where the plan found it nor where the plan puts it.
        """
        champion = self.aliases(plan.model).get(plan.alias)
        if champion not in (plan.assumes, plan.promotes):
            raise RegistryMoved(
                f"{plan.model}@{plan.alias} is version {champion or 'none'}, but the plan was made when it was "
                f"{plan.assumes or 'none'}; somebody changed it since. Nothing was promoted: look at the change, "
                "then run decide and promote again"
            )
        return self.do(plan.changes)

    def do(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Make changes in their order, skipping what is so already; returns what was changed, in words."""
        return tuple(describe(change) for change in changes if self._do(change))

    def tag(self, model: str, version: str, key: str, value: str) -> None:
        """Write one tag on a model version."""
        self.do((SetTag(model=model, version=version, key=key, value=value),))

    def _do(self, change: Change) -> bool:
        with mlflow_errors(self.tracking_uri, describe(change)):
            match change:
                case MoveAlias():
                    return self._move(change)
                case SetTag():
                    version = self._client.get_model_version(change.model, change.version)
                    if version.tags.get(change.key) == change.value:
                        return False
                    self._client.set_model_version_tag(change.model, change.version, change.key, change.value)
                    return True
                case SetStage():
                    version = self._client.get_model_version(change.model, change.version)
                    if version.current_stage == change.stage:
                        return False
                    self._client.transition_model_version_stage(change.model, change.version, change.stage)
                    return True
                case _:
                    assert_never(change)

    def _move(self, change: MoveAlias) -> bool:
        now = self.aliases(change.model).get(change.alias)
        if now == change.to_version:
            return False
        if now != change.from_version:
            raise RegistryMoved(
                f"{change.model}@{change.alias} is version {now or 'none'}, but the plan expected "
                f"{change.from_version or 'none'}; somebody changed it since. Look at it, then plan again"
            )
        if change.to_version is None:
            self._client.delete_registered_model_alias(change.model, change.alias)
        else:
            self._client.set_registered_model_alias(change.model, change.alias, change.to_version)
        after = self.aliases(change.model).get(change.alias)
        if after != change.to_version:
            raise RegistryMoved(
                f"{change.model}@{change.alias} reads {after or 'none'} right after it was set to "
                f"{change.to_version or 'none'}: somebody else writes it at this moment. Look at it, then plan again"
            )
        return True

    @cached_property
    def _client(self) -> Any:
        return mlflow_client(self.tracking_uri)
