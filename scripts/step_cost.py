"""Count the operations of a training step in its graph; unlike a time, the count is the same on every machine."""

import math
from typing import Any, NamedTuple

import keras
import tensorflow as tf


class StepCost(NamedTuple):
    """Number of multiply-adds in all convolutions and matrix products, and of operations in the graph."""

    multiply_adds: int
    operations: int


def step_cost(model: keras.Model, batch: int) -> StepCost:
    """Count the operations of a training step of a compiled model.

    Args:
        model: A compiled model with known rows and columns.
        batch: Number of images in the batch.
    """
    operations = step_operations(model, batch)
    return StepCost(sum(map(multiply_adds, operations)), len(operations))


def step_operations(model: keras.Model, batch: int) -> list[Any]:
    """List the operations of a training step before TensorFlow optimises the graph."""
    images = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32)
    labels = tf.TensorSpec((batch, *model.output_shape[1:3]), tf.uint8)
    step = tf.function(lambda *data: model.train_step(data), autograph=False)
    return needed_operations(step.get_concrete_function(images, labels).graph)


def needed_operations(graph: Any) -> list[Any]:
    """List the operations that outputs and variable updates depend on; TensorFlow skips all others."""
    waiting = [*(output.op for output in graph.outputs), *graph.control_outputs]
    found = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found[operation.name] = operation
            waiting += [*(source.op for source in operation.inputs), *operation.control_inputs]
    return list(found.values())


def multiply_adds(operation: Any) -> int:
    """Count the multiply-adds of an operation; 0 unless it is a convolution or matrix product."""
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
    """Count the pixels of one channel in all maps of a batch."""
    return math.prod(maps.shape[:3])
