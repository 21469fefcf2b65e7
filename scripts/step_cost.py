"""What a step of training costs, counted in the graph and not timed: the same on every machine, every day."""

import math
from typing import Any, NamedTuple

import keras
import tensorflow as tf


class StepCost(NamedTuple):
    """Multiply-adds of all convolutions and matrix products, forward and backward; and operations of the graph."""

    multiply_adds: int
    operations: int


def step_cost(model: keras.Model, batch: int) -> StepCost:
    """Count a step of training of a compiled model.

    Args:
        model: A compiled model of known rows and columns.
        batch: Images in the batch.
    """
    operations = step_operations(model, batch)
    return StepCost(sum(map(multiply_adds, operations)), len(operations))


def step_operations(model: keras.Model, batch: int) -> list[Any]:
    """The operations of a step of training of a compiled model, as they are before TensorFlow optimises the graph."""
    images = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32)
    labels = tf.TensorSpec((batch, *model.output_shape[1:3]), tf.uint8)
    step = tf.function(lambda *data: model.train_step(data), autograph=False)
    return needed_operations(step.get_concrete_function(images, labels).graph)


def needed_operations(graph: Any) -> list[Any]:
    """Those that results or changes of variables depend on; TensorFlow computes no others."""
    waiting = [*(output.op for output in graph.outputs), *graph.control_outputs]
    found = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found[operation.name] = operation
            waiting += [*(source.op for source in operation.inputs), *operation.control_inputs]
    return list(found.values())


def multiply_adds(operation: Any) -> int:
    """Those of one operation; 0 for one that is neither convolution nor matrix product."""
    inputs = operation.inputs
    match operation.type:
        case "Conv2D":
            return pixels(operation.outputs[0]) * math.prod(inputs[1].shape)
        case "Conv2DBackpropInput":
            return pixels(inputs[2]) * math.prod(inputs[1].shape)
        case "Conv2DBackpropFilter":
            return pixels(inputs[2]) * math.prod(operation.outputs[0].shape)
        case "MatMul":
            inner = inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
            return math.prod(operation.outputs[0].shape) * inner
    return 0


def pixels(maps: Any) -> int:
    """Of all maps of a batch, one channel of each."""
    return math.prod(maps.shape[:3])
