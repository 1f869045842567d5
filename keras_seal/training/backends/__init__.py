"""The only place that knows which backend runs.

Each module gives the same names:

- `Steps`: a mixin whose `train_step` and `test_step` have the form that Keras' trainer of that
  backend calls, and hand over to `seal_train_step` and `seal_test_step`;
- `record`: run a function and keep what is needed to pull gradients back through it;
- `input_gradient`: a gradient by an input that may be differentiated once more;
- `apply`: let an optimizer update variables, inside a training step;
- `replicas`: how many copies of the model share a step;
- `check_compile`: refuse what Keras' trainer of that backend cannot do;
- `loss_net_randomness`: keep the loss-net's random draws apart from the pose-net's;
- `random_state` and `set_random_state`: what an exact resume needs beside a model's variables;
  `seed_random_state` lets it begin anew.
"""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "tensorflow":
    from keras_seal.training.backends.tensorflow import (
        Steps,
        apply,
        check_compile,
        input_gradient,
        loss_net_randomness,
        random_state,
        record,
        replicas,
        seed_random_state,
        set_random_state,
    )
elif _BACKEND == "jax":
    from keras_seal.training.backends.jax import (  # type: ignore[assignment]
        Steps,
        apply,
        check_compile,
        input_gradient,
        loss_net_randomness,
        random_state,
        record,
        replicas,
        seed_random_state,
        set_random_state,
    )
elif _BACKEND == "torch":
    from keras_seal.training.backends.torch import (  # type: ignore[assignment]
        Steps,
        apply,
        check_compile,
        input_gradient,
        loss_net_randomness,
        random_state,
        record,
        replicas,
        seed_random_state,
        set_random_state,
    )
else:
    raise ImportError(
        f"keras_seal trains on tensorflow, jax and torch; Keras runs on {_BACKEND!r}. "
        "Set KERAS_BACKEND to one of the three before Keras is imported."
    )

__all__ = [
    "Steps",
    "apply",
    "check_compile",
    "input_gradient",
    "loss_net_randomness",
    "random_state",
    "record",
    "replicas",
    "seed_random_state",
    "set_random_state",
]
