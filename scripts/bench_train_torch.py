"""The paper's networks in PyTorch for `bench_train.py`, with the layers and parameter counts of gym/models."""

import itertools

import torch
from torch import nn
from torch.nn import functional

DROPOUT = 0.1


class Convolution(nn.Module):
    """Dropout, batch normalisation, ReLU and convolution."""

    def __init__(self, before: int, after: int, kernel: int = 7, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.BatchNorm2d(before, eps=1e-3, momentum=0.01)
        self.convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2 if kernel % 2 else 0)
        self.around = (0, 1, 0, 1) if kernel == 2 else None

    def forward(self, maps: torch.Tensor) -> torch.Tensor:  # noqa: D102 - see the class
        maps = functional.relu(self.norm(self.dropout(maps)))
        return self.convolution(functional.pad(maps, self.around) if self.around else maps)


class Shortcut(nn.Module):
    """A 1x1 convolution of every ``stride``-th pixel with batch normalisation."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.convolution, self.norm = stride, nn.Conv2d(before, after, 1), nn.BatchNorm2d(after, eps=1e-3)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:  # noqa: D102 - see the class
        return functional.relu(self.norm(self.convolution(maps[:, :, :: self.stride, :: self.stride])))


class Level(nn.Module):
    """One level, plain or residual."""

    def __init__(self, before: int, after: int, stride: int, dropout: float, is_residual: bool) -> None:
        super().__init__()
        self.first = Convolution(before, after, stride=stride, dropout=dropout)
        self.second = Convolution(after, after, dropout=dropout) if is_residual else None
        self.shortcut = Shortcut(before, after, stride) if is_residual else None

    def forward(self, maps: torch.Tensor) -> torch.Tensor:  # noqa: D102 - see the class
        result = self.first(maps)
        return result if self.second is None else self.second(result) + self.shortcut(maps)


class UNet(nn.Module):
    """The encoder and decoder; arguments as for `gym.models.unet.build_encoder_decoder`."""

    def __init__(self, bands: int, filters: int, classes: int, is_residual: bool) -> None:
        super().__init__()
        widths = [filters * 2**depth for depth in range(5)]
        self.lift, self.stem = nn.Conv2d(bands, filters, 2), Convolution(filters, filters, kernel=2)
        self.stem_shortcut = Shortcut(bands, filters)
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(Level(before, after, 2, DROPOUT, is_residual) for before, after in pairs)
        self.middle = nn.Sequential(*(Convolution(widths[-1], widths[-1], dropout=DROPOUT) for _ in range(2)))
        above = [widths[-1], *widths[:1:-1]]
        self.up = nn.ModuleList(
            Level(low + skip, after, 1, 0.0, is_residual)
            for low, skip, after in zip(above, widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.head = nn.Conv2d(widths[1], classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # noqa: D102 - see the class
        maps = self.stem(self.lift(functional.pad(images, (0, 1, 0, 1)))) + self.stem_shortcut(images)
        skips = []
        for level in self.down:
            skips.append(maps)
            maps = level(maps)
        maps = self.middle(maps)
        for level in self.up:
            doubled = functional.interpolate(maps, scale_factor=2, mode="nearest")
            maps = level(torch.cat([doubled, skips.pop()], 1))
        return self.head(maps)
