"""What abflow raises on purpose.

AbflowError
├── SpecError                the experiment is not well described
│   └── SpecFrozen           the file changed after the experiment began
├── SettingsError            the environment does not say where things are
├── DataError                the logs cannot be read
│   ├── ContractBroken       the logs are not what the spec promised
│   ├── LogMissing           a day of a log has no files
│   └── NotEnoughData        too few observations to say anything
├── LifecycleError           the experiment cannot go on from here
│   ├── EvidenceMissing      a step was asked to run before what it builds on
│   ├── GateStopped          a gate did not pass, or the experiment became invalid
│   └── ExperimentStopped    the experiment has ended, or somebody gave it up
├── LedgerBroken             the chain of decisions was edited
└── RegistryError            the model registry does not have what is needed
    ├── RegistryUnreachable  MLflow does not answer
    └── RegistryMoved        somebody changed the registry since the plan was made

Every message says what was given, what is wrong with it, and what to do.
"""


class AbflowError(Exception):
    """Anything abflow raises on purpose."""


class SpecError(AbflowError):
    """The experiment is not well described."""


class SpecFrozen(SpecError):
    """The experiment file changed after its plan was frozen."""


class SettingsError(AbflowError):
    """The environment does not say where things are."""


class DataError(AbflowError):
    """The logs cannot be read."""


class ContractBroken(DataError):
    """The logs are not what the spec promised."""


class LogMissing(DataError):
    """A day of a log has no files."""


class NotEnoughData(DataError):
    """Too few observations to say anything."""


class LifecycleError(AbflowError):
    """The experiment cannot go on from here."""


class EvidenceMissing(LifecycleError):
    """A step was asked to run before what it builds on."""


class GateStopped(LifecycleError):
    """A gate did not pass, or the experiment became invalid."""


class ExperimentStopped(LifecycleError):
    """Somebody gave the experiment up."""


class LedgerBroken(AbflowError):
    """The chain of decisions was edited."""


class RegistryError(AbflowError):
    """The model registry does not have what is needed."""


class RegistryUnreachable(RegistryError):
    """MLflow does not answer."""


class RegistryMoved(RegistryError):
    """Somebody changed the registry since the plan was made."""
