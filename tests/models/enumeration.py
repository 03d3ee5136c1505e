"""All values that the latents of a small model can take, one after the other.

An account of its own: of a model it takes what its networks say, its parameters and its sizes, and
none of what chain, variables, priors and likelihoods compute. A Gaussian latent takes the nodes of
a Gauss–Hermite rule as its values.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from discretevae.models import (
    BlockwiseVAE,
    DiscreteVAE,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
)
from discretevae.models.semi_supervised import SemiSupervisedVAE
from discretevae.priors import Prior
from discretevae.schema.columns import BinaryColumn, NumericColumn
from discretevae.schema.vocabulary import END

NODES = 40
LABEL, CODE, VECTOR = "y", "z", "u"

Code = tuple[int, ...]
Values = Mapping[str, Any]
"""Variable → class indices, or the vectors u of all examples, (N, L)."""


# Likelihoods: log p(x | h) in nats of N examples, from what the decoder says.


def bernoulli(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    return (x * h - torch.logaddexp(h, torch.zeros_like(h))).flatten(1).sum(-1)


def continuous_bernoulli(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    return (x * h - (torch.expm1(h) / h).log()).flatten(1).sum(-1)


def gaussian(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    return normal(x, h, likelihood.log_scale).flatten(1).sum(-1)


def normal(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    return -0.5 * ((x - mean) * (-log_scale).exp()) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)


def discretised_logistic(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    location, log_scale = h.chunk(2, 1)
    return rounded(likelihood, location, log_scale, x).log().sum(-1)


def rounded(likelihood: Any, location: Tensor, log_scale: Tensor, x: Tensor) -> Tensor:
    """The mass of a logistic variable between the edges of a level: locations from −1 to 1."""
    most = likelihood.levels - 1
    scale = 2**-6 / most + (log_scale + likelihood.log_scale).exp() / 8
    distance, half = x - (1 + location) / 2, 0.5 / most
    tail = -distance.sign()  # the side where both are small, and their difference is exact
    upper = torch.sigmoid(tail * (distance + half) / scale)
    lower = torch.sigmoid(tail * (distance - half) / scale)
    at_end = torch.sigmoid((distance + half) / scale).where(x < half, upper)
    at_end = torch.sigmoid((half - distance) / scale).where(x > 1 - half, at_end)
    return (upper - lower).abs().where((x > half) & (x < 1 - half), at_end)


def logistic_mixture(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    """Pixel by pixel of three channels: each component a product of three factors."""
    (r, g, b), m = x.flatten(2).unbind(1), likelihood.components
    said = h.flatten(2).unflatten(1, (10, m)).transpose(0, 1)  # (10, N, M, pixels)
    logits, location, log_scale, (gr, br, bg) = said[0], said[1:4], said[4:7], said[7:].tanh()
    r, g, b = (channel[:, None] for channel in (r, g, b))
    green = location[1] + gr * (2 * r - 1)
    blue = location[2] + br * (2 * r - 1) + bg * (2 * g - 1)
    p = rounded(likelihood, location[0], log_scale[0], r)
    p = p * rounded(likelihood, green, log_scale[1], g) * rounded(likelihood, blue, log_scale[2], b)
    return (logits.softmax(1) * p).sum(1).log().sum(-1)


def local_bernoulli(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    """Pixel by pixel of one channel: 3 above, 1 to the left, then one layer."""
    (layer,), near, last = likelihood.layers, likelihood.near, likelihood.last
    total = torch.zeros(len(x), dtype=h.dtype)
    _, _, height, width = x.shape
    for i, j in product(range(height), range(width)):
        s = h[:, :, i, j] + near.bias  # the logit itself, then what the layers see
        for di, dj in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
            if i + di >= 0 and 0 <= j + dj < width:
                seen = 2 * x[:, :, i + di, j + dj] - 1
                s = s + seen @ near.weight[:, :, di + 1, dj + 1].T
        direct, s = s[:, 0], s[:, 1:]
        v = s @ layer.inner.weight[:, :, 0, 0].T + layer.inner.bias
        s = s + (v * v.sigmoid()) @ layer.outer.weight[:, :, 0, 0].T + layer.outer.bias
        logit = direct + s @ last.weight[0, :, 0, 0] + last.bias[0]
        total = total - torch.logaddexp(torch.zeros_like(logit), (1 - 2 * x[:, 0, i, j]) * logit)
    return total


def levels(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    k = (x * (likelihood.levels - 1)).round().long()
    log_p = (h.unflatten(1, (likelihood.levels, -1)) + likelihood.bias[:, None]).log_softmax(1)
    return log_p.gather(1, k[:, None])[:, 0].sum(-1)


def columns(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    """Cell by cell: h has the means, the log-scales, the bits and then the categories."""
    kinds = [type(c) for c in likelihood.columns]
    numbers, bits = kinds.count(NumericColumn), kinds.count(BinaryColumn)
    number, bit, rest = 0, 2 * numbers, 2 * numbers + bits
    total = torch.zeros(len(x), dtype=h.dtype)
    for column, cell in zip(likelihood.columns, x.unbind(-1), strict=True):
        there = ~cell.isnan()
        if isinstance(column, NumericColumn):
            least = torch.tensor(likelihood.least_scale, dtype=h.dtype).log()
            log_scale = math.log(column.scale) + torch.logaddexp(h[:, numbers + number], least)
            mean = column.mean + column.scale * h[:, number]
            of_cell = normal(cell.nan_to_num(), mean, log_scale)
            number += 1
        elif isinstance(column, BinaryColumn):
            against = torch.where(cell == 1, -h[:, bit], h[:, bit])
            of_cell = -torch.logaddexp(torch.zeros_like(against), against)
            bit += 1
        else:
            size = len(column.categories)
            log_p = h[:, rest : rest + size].log_softmax(-1)
            of_cell = log_p.gather(-1, cell.nan_to_num().long()[:, None])[:, 0]
            rest += size
        total = total + of_cell.where(there, 0)
    return total


def tokens(likelihood: Any, h: Tensor, x: Tensor) -> Tensor:
    """Token by token, the network run anew on what stands before it; the last end is certain."""
    total = torch.zeros(len(x), dtype=h.dtype)
    for sentence in x.unique(dim=0).long():
        at = (x == sentence).all(-1).nonzero()[:, 0]
        ids = sentence.tolist()
        log_p = torch.zeros(len(at), dtype=h.dtype)
        for t in range(min(ids.index(END) + 1, len(ids) - 1)):
            before = torch.tensor([[END, *ids[:t]]]).expand(len(at), -1)
            said, _ = likelihood.writer(h[at], before)
            log_p = log_p + likelihood.head(said[:, -1]).log_softmax(-1)[:, ids[t] - 1]
        total = total.index_add(0, at, log_p)
    return total


LIKELIHOODS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "bernoulli": bernoulli,
    "continuous-bernoulli": continuous_bernoulli,
    "gaussian": gaussian,
    "discretised-logistic": discretised_logistic,
    "logistic-mixture": logistic_mixture,
    "levels": levels,
    "local-bernoulli": local_bernoulli,
    "columns": columns,
    "tokens": tokens,
}


# Priors: log p of every code, (N or 1, D) where it is a product over the latents, else (1, 1).


def each(log_p: Tensor, code: Code) -> Tensor:
    """Takes the class of every latent from log-probabilities (N, D, K)."""
    return torch.stack([log_p[..., d, k] for d, k in enumerate(code)], -1)


def fixed(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    return {code: each(prior.logits.log_softmax(-1)[None], code) for code in codes}


def conditional(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    log_p = prior.network(c).unflatten(-1, prior.shape).log_softmax(-1)
    return {code: each(log_p, code) for code in codes}


def autoregressive(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    """Latent after latent, each from a code in which it and all later ones are blank."""
    classes = prior.shape[1]

    def log_p_of(code: Code, d: int) -> Tensor:
        known = torch.zeros(prior.shape, dtype=prior.output.weight.dtype)
        for before in range(d):
            known[before, code[before]] = 1
        x = h = known.flatten()
        for layer in prior.hidden:
            h = ((layer.weight * layer.mask) @ h + layer.bias).clamp_min(0)
        seen = torch.cat([h, x]) if len(prior.hidden) else x
        logits = (prior.output.weight * prior.output.mask) @ seen + prior.output.bias
        return logits[classes * d : classes * (d + 1)].log_softmax(-1)[code[d]]

    return {
        code: torch.stack([log_p_of(code, d) for d in range(len(code))]).sum().view(1, 1)
        for code in codes
    }


def pixelcnn(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    """Of one grid, position by position; beyond its edge all is 0."""
    ((height, width),), (network,), (table,) = prior.grids, prior.networks, prior.tables
    places = list(product(range(height), range(width)))
    map_ = {(i, j): network.place[:, i, j] for i, j in places}
    none = torch.zeros_like(network.place[:, 0, 0])

    def gate(a: Tensor) -> Tensor:
        return a[: len(none)].tanh() * a[len(none) :].sigmoid()

    def through(layer: Any, x: Tensor) -> Tensor:
        return layer.weight.flatten(1) @ x + layer.bias

    def features(code: Code) -> dict[tuple[int, int], Tensor]:
        x = {place: table.weight[k] for place, k in zip(places, code, strict=True)}
        v = {(i, j): x.get((i - 1, j), none) + map_[i, j] for i, j in places}
        h = {(i, j): x.get((i, j - 1), none) + map_[i, j] for i, j in places}
        for layer in network.layers:
            rows, columns = layer.of_rows, layer.of_columns
            above, beside = {}, {}
            for i, j in places:
                a, b = rows.bias, columns.bias
                of_v, of_h = through(layer.of_map, map_[i, j]).chunk(2)
                for up, side in product((-1, 0), (-1, 0, 1)):
                    near = v.get((i + up, j + side), none)
                    a = a + rows.weight[:, :, up + 1, side + 1] @ near
                for side in (-1, 0):
                    b = b + columns.weight[:, :, 0, side + 1] @ h.get((i, j + side), none)
                above[i, j] = v[i, j] + gate(a + of_v)
                b = b + through(layer.across, a) + of_h
                beside[i, j] = h[i, j] + through(layer.residual, gate(b))
            v, h = above, beside
        return {p: through(network.head[1], h[p].clamp_min(0)).clamp_min(0) for p in places}

    return {code: outcome(prior, code, list(features(code).values())) for code in codes}


def transformer(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    """Of one grid, position by position and head by head."""
    ((height, width),), (table,) = prior.grids, prior.tables
    places = list(product(range(height), range(width)))

    def normal(layer: Any, x: Tensor) -> Tensor:
        centred = x - x.mean()
        return layer.weight * centred / (centred.square().mean() + layer.eps).sqrt() + layer.bias

    def attended(block: Any, queries: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
        found = []
        for head in torch.arange(len(queries)).chunk(block.heads):
            scores = torch.stack([queries[head] @ k[head] for k in keys]) / len(head) ** 0.5
            found.append(sum(w * v[head] for w, v in zip(scores.softmax(0), values, strict=True)))
        return torch.cat(found)

    def features(code: Code) -> list[Tensor]:
        before = [prior.start[0], *(table.weight[k] for k in code[:-1])]
        x = [
            e + prior.rows[i] + prior.columns[j] + prior.levels[0]
            for e, (i, j) in zip(before, places, strict=True)
        ]
        for block in prior.blocks:
            parts = [block.project(normal(block.attend_norm, e)).chunk(3) for e in x]
            queries, keys, values = (list(part) for part in zip(*parts, strict=True))
            for t, e in enumerate(x):
                seen = attended(block, queries[t], keys[: t + 1], values[: t + 1])
                e = e + block.join(seen)
                first, _, second = block.think
                inner = first(normal(block.think_norm, e))
                x[t] = e + second(inner * torch.special.ndtr(inner))
        return [normal(prior.norm, e) for e in x]

    return {code: outcome(prior, code, features(code)) for code in codes}


def outcome(prior: Any, code: Code, features: Sequence[Tensor]) -> Tensor:
    """Gives log p of a code of one grid, of the features of each position."""
    (output,) = prior.outputs
    log_p = [output(h).log_softmax(-1)[k] for h, k in zip(features, code, strict=True)]
    return torch.stack(log_p).sum().view(1, 1)


def negative_energy(prior: Any, code: Code) -> Tensor:
    """Bond by bond: the first ⌈D/2⌉ latents with the others."""
    middle = (len(code) + 1) // 2
    total = sum(prior.bias[d, k] for d, k in enumerate(code))
    for a in range(middle):
        for b in range(middle, len(code)):
            total = total + prior.weight[a, code[a], b - middle, code[b]]
    return total


def boltzmann(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    energies = {code: negative_energy(prior, code) for code in codes}
    log_z = torch.stack(list(energies.values())).logsumexp(0)
    return {code: (energy - log_z).view(1, 1) for code, energy in energies.items()}


def boltzmann_of_chains(prior: Any, codes: Sequence[Code], c: Tensor | None) -> dict[Code, Tensor]:
    """As training has it where it estimates: log Z of once, its gradient that of the chains."""
    chains = [negative_energy(prior, tuple(code)) for code in prior.chain_codes.tolist()]
    phase = torch.stack(chains).mean()
    log_z = prior.log_partition + phase - phase.detach()
    return {code: (negative_energy(prior, code) - log_z).view(1, 1) for code in codes}


PRIORS: dict[str, Callable[[Any, Sequence[Code], Tensor | None], dict[Code, Tensor]]] = {
    "uniform": fixed,
    "categorical": fixed,
    "learned": fixed,
    "conditional": conditional,
    "autoregressive": autoregressive,
    "pixelcnn": pixelcnn,
    "transformer": transformer,
    "boltzmann": boltzmann,
}


# Models: what is asked of each is log q and log p of a value, and what the decoder says of it.


def one_hot(code: Code, classes: int, rows: int) -> Tensor:
    return torch.eye(classes, dtype=torch.float64)[list(code)].flatten().expand(rows, -1)


def all_codes(size: tuple[int, int]) -> list[Code]:
    return list(product(range(size[1]), repeat=size[0]))


class Account:
    """What there is to know of a model of N examples.

    Attributes:
        sizes: Discrete variable → D and K, in the order of the codes.
        order: In which variables are inferred.
        continuous: L, or 0.
    """

    sizes: dict[str, tuple[int, int]]
    order: Sequence[str]
    continuous: int = 0
    mean: Tensor
    log_scale: Tensor

    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        self.model, self.x, self.chains = model, x, chains
        self.c = None if context is None else model.context_network(context)
        self.features = model.encoder(x) if self.c is None else model.encoder(x, self.c)

    def priors(self, prior: Prior, size: tuple[int, int]) -> dict[Code, Tensor]:
        rule = boltzmann_of_chains if self.chains else PRIORS[prior.kind]
        return rule(prior, all_codes(size), self.c)

    def log_q(self, name: str, values: Values) -> Tensor:
        raise NotImplementedError

    def log_p(self, name: str, values: Values) -> Tensor:
        raise NotImplementedError

    def decoded(self, values: Values) -> Tensor:
        raise NotImplementedError

    def possible(self, values: Values) -> Tensor:
        return torch.ones(len(self.x), dtype=torch.bool)

    def decoder(self, *seen: Tensor) -> Tensor:
        c = [] if self.c is None else [self.c]
        return self.model.decoder(torch.cat([*seen, *c], -1))


class Flat(Account):
    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        super().__init__(model, x, context, chains)
        self.sizes, self.order = {CODE: (model.num_latents, model.num_categories)}, (CODE,)
        width = math.prod(self.sizes[CODE])
        self.log_q_z = self.features[:, :width].unflatten(-1, self.sizes[CODE]).log_softmax(-1)
        self.log_p_z = self.priors(model.prior, self.sizes[CODE])

    def log_q(self, name: str, values: Values) -> Tensor:
        return each(self.log_q_z, values[name])

    def log_p(self, name: str, values: Values) -> Tensor:
        return self.log_p_z[values[name]]

    def decoded(self, values: Values) -> Tensor:
        return self.decoder(self.embedded(values[CODE]))

    def embedded(self, code: Code) -> Tensor:
        if self.model.embedding_size is None:
            return one_hot(code, self.model.num_categories, len(self.x))
        vectors = self.model.code.vectors
        seen = torch.cat([vectors[d, k] for d, k in enumerate(code)])
        return seen.expand(len(self.x), -1)


class Continuous(Account):
    """A Gaussian vector alone: mean and log σ of each number take turns."""

    sizes: dict[str, tuple[int, int]] = {}
    order = (VECTOR,)

    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        super().__init__(model, x, context, chains)
        self.continuous = model.num_latents
        self.mean, self.log_scale = self.features[:, ::2], self.features[:, 1::2]

    def log_q(self, name: str, values: Values) -> Tensor:
        return normal(values[VECTOR], self.mean, self.log_scale)

    def log_p(self, name: str, values: Values) -> Tensor:
        u = values[VECTOR]
        return normal(u, torch.zeros_like(u), torch.zeros_like(u))

    def decoded(self, values: Values) -> Tensor:
        return self.decoder(values[VECTOR])


class Joint(Flat):
    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        super().__init__(model, x, context, chains)
        self.order, self.continuous = (VECTOR, CODE), model.num_continuous
        said = self.features[:, math.prod(self.sizes[CODE]) :]
        self.mean, self.log_scale = said[:, ::2], said[:, 1::2]

    def log_q(self, name: str, values: Values) -> Tensor:
        of = Continuous.log_q if name == VECTOR else Flat.log_q
        return of(self, name, values)  # type: ignore[arg-type]

    def log_p(self, name: str, values: Values) -> Tensor:
        of = Continuous.log_p if name == VECTOR else Flat.log_p
        return of(self, name, values)  # type: ignore[arg-type]

    def decoded(self, values: Values) -> Tensor:
        return self.decoder(self.embedded(values[CODE]), values[VECTOR])


class Layered(Account):
    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        super().__init__(model, x, context, chains)
        pairs = zip(model.num_latents, model.num_categories, strict=True)
        self.sizes = {f"z{i}": size for i, size in enumerate(pairs, start=1)}
        self.names = [*self.sizes]
        self.order = self.names[::-1] if model.inference == "top-down" else self.names
        self.log_p_top = self.priors(model.prior, self.sizes[self.names[-1]])

    def log_q(self, name: str, values: Values) -> Tensor:
        before = sorted(self.order[: self.order.index(name)])
        network = self.model.posterior_networks[self.names.index(name)]
        seen = [self.features, *(self.flat(other, values) for other in before)]
        return each(network(torch.cat(seen, -1)).log_softmax(-1), values[name])

    def log_p(self, name: str, values: Values) -> Tensor:
        if name == self.names[-1]:
            return self.log_p_top[values[name]]
        layer = self.names.index(name)
        above = torch.cat([self.flat(other, values) for other in self.names[layer + 1 :]], -1)
        return each(self.model.prior_networks[layer](above).log_softmax(-1), values[name])

    def decoded(self, values: Values) -> Tensor:
        return self.decoder(*(self.flat(name, values) for name in self.names))

    def flat(self, name: str, values: Values) -> Tensor:
        return one_hot(values[name], self.sizes[name][1], len(self.x))


class Blocks(Flat):
    """One code, inferred block by block: what a block sees of those before is added to its own."""

    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        super().__init__(model, x, context, chains)
        d, k = model.num_latents, model.num_categories
        first, count = -(-d // model.blocks), model.blocks
        assert count == 2
        self.sizes = {"z1": (first, k), "z2": (d - first, k)}
        self.order = ("z1", "z2")
        self.first, self.own = first, self.features[:, : d * k].unflatten(-1, (d, k))

    def log_q(self, name: str, values: Values) -> Tensor:
        if name == "z1":
            return each(self.own[:, : self.first].log_softmax(-1), values["z1"])
        d, k = self.model.num_latents, self.model.num_categories
        trunk = self.features[:, d * k :]
        trunk = trunk.where(trunk > 0, 0.01 * trunk)
        seen = torch.cat([trunk, one_hot(values["z1"], k, len(self.x))], -1)
        logits = self.own[:, self.first :] + self.model.posterior_networks[0](seen)
        return each(logits.log_softmax(-1), values["z2"])

    def log_p(self, name: str, values: Values) -> Tensor:
        log_p = self.log_p_z[values["z1"] + values["z2"]]
        if log_p.shape[-1] > 1:
            return log_p[:, : self.first] if name == "z1" else log_p[:, self.first :]
        return log_p if name == "z2" else torch.zeros(1, 1, dtype=log_p.dtype)

    def decoded(self, values: Values) -> Tensor:
        return self.decoder(self.embedded(values["z1"] + values["z2"]))


class Labelled(Account):
    """A label and a code; a label that is known leaves no alternative."""

    order = (LABEL, CODE)

    def __init__(self, model: Any, x: Tensor, context: Tensor | None, chains: bool) -> None:
        super().__init__(model, x, None, chains)
        size = model.num_latents, model.num_categories
        self.sizes = {LABEL: (1, model.num_classes), CODE: size}
        self.label = torch.full((len(x),), -1) if context is None else context[:, 0].long()
        self.log_q_y = self.features.log_softmax(-1)
        self.log_p_z = self.priors(model.conditional.prior, size)

    def log_q(self, name: str, values: Values) -> Tensor:
        (y,) = values[LABEL]
        if name == LABEL:
            return self.log_q_y[:, y].where(self.label < 0, 0)[:, None]
        logits = self.model.conditional.encoder(self.x, self.seen(y))
        return each(logits.unflatten(-1, self.sizes[CODE]).log_softmax(-1), values[CODE])

    def log_p(self, name: str, values: Values) -> Tensor:
        if name == LABEL:
            return torch.full((1, 1), -math.log(self.model.num_classes), dtype=torch.float64)
        return self.log_p_z[values[CODE]]

    def decoded(self, values: Values) -> Tensor:
        z = one_hot(values[CODE], self.sizes[CODE][1], len(self.x))
        return self.model.conditional.decoder(torch.cat([z, self.seen(values[LABEL][0])], -1))

    def possible(self, values: Values) -> Tensor:
        return (self.label < 0) | (self.label == values[LABEL][0])

    def seen(self, y: int) -> Tensor:
        return one_hot((y,), self.model.num_classes, len(self.x))


ACCOUNTS: dict[type, type[Account]] = {
    DiscreteVAE: Flat,
    GaussianVAE: Continuous,
    JointVAE: Joint,
    HierarchicalVAE: Layered,
    BlockwiseVAE: Blocks,
    SemiSupervisedVAE: Labelled,
}


@dataclass(frozen=True)
class Rows:
    """All R values of the latents, of N examples.

    Attributes:
        account: Where they come from.
        codes: The classes of each row.
        log_rule: Log-weights of the quadrature, (R, 1); 0 where there is none.
        values: Variable → one-hot codes (R, N, D, K), or vectors (R, N, L).
        log_p_x: log p(x | row), (R, N).
        log_p: Variable → log p of each latent, (R, N, D); (R, N, 1) where they are no product.
        log_q: Variable → log q of each latent, (R, N, D).
        possible: Which rows an example may have, (R, N).
    """

    account: Account
    codes: list[dict[str, Code]]
    log_rule: Tensor
    values: dict[str, Tensor]
    log_p_x: Tensor
    log_p: dict[str, Tensor]
    log_q: dict[str, Tensor]
    possible: Tensor

    @property
    def names(self) -> list[str]:
        """In the order of the codes."""
        return [*self.account.sizes, *([VECTOR] if self.account.continuous else [])]

    @property
    def log_prior(self) -> Tensor:
        return sum(log_p.sum(-1) for log_p in self.log_p.values())

    @property
    def log_posterior(self) -> Tensor:
        return sum(log_q.sum(-1) for log_q in self.log_q.values())

    @property
    def probability(self) -> Tensor:
        """q of each row, (R, N); of a vector, the weight of its node."""
        log_q = sum((q.sum(-1) for n, q in self.log_q.items() if n != VECTOR), self.log_rule)
        return log_q.exp().where(self.possible, 0)

    def expected(self, values: Tensor) -> Tensor:
        """Gives E_q of what rows have, (R, N, ...)."""
        weight = self.probability
        rest = values.ndim - weight.ndim
        weight = weight[(..., *[None] * rest)]
        return (weight * values.where(weight != 0, 0)).sum(0)

    @property
    def reconstruction(self) -> Tensor:
        return self.expected(self.log_p_x)

    @property
    def costs(self) -> dict[str, Tensor]:
        """The KL of each latent, (N, D), or of all of a variable, (N, 1)."""
        found = {}
        for name in self.names:
            log_p, log_q = self.log_p[name], self.log_q[name]
            if log_p.shape[-1] == 1:
                log_q = log_q.sum(-1, keepdim=True)
            found[name] = self.expected(log_q - log_p)
        return found

    @property
    def kl(self) -> dict[str, Tensor]:
        """What each variable adds to the KL, (N,)."""
        return {name: cost.sum(-1) for name, cost in self.costs.items()}

    @property
    def elbo(self) -> Tensor:
        return self.objective()

    def objective(self, beta: float = 1.0, alpha: float = 0.0) -> Tensor:
        value = self.reconstruction - beta * sum(self.kl.values())
        return value if alpha == 0 else value + alpha * self.log_q_of_the_label

    def floored(self, floor: float, beta: float) -> Tensor:
        """The mean over the batch of what is trained where each latent may cost `floor` nats.

        Below it, what rests on the prior alone goes on having a gradient.
        """
        value = self.reconstruction.mean()
        for name in self.names:
            kl = self.costs[name].mean(0)
            of_prior = self._costs_with_q_still(name).mean(0)
            below = floor + of_prior - of_prior.detach()
            value = value - beta * torch.where(kl > floor, kl, below).sum()
        return value

    def _costs_with_q_still(self, name: str) -> Tensor:
        weight = self.probability.detach()[..., None]
        return (weight * (self.log_q[name].detach() - self.log_p[name])).sum(0)

    @property
    def log_q_of_the_label(self) -> Tensor:
        account = self.account
        assert isinstance(account, Labelled)
        found = account.log_q_y.gather(-1, account.label.clamp_min(0)[:, None])[:, 0]
        return found.where(account.label >= 0, 0)

    @property
    def log_joint(self) -> Tensor:
        log_p = self.log_p_x + self.log_prior
        return log_p.masked_fill(~self.possible, -math.inf)

    @property
    def evidence(self) -> Tensor:
        """log p(x), or log p(x, y) where the label is known, of discrete variables."""
        return self.log_joint.logsumexp(0)

    def most_probable(self) -> Tensor:
        """Takes the most probable value of each variable in turn: codes, (N, W)."""
        found = []
        for n in range(len(self.account.x)):
            left = [r for r in range(len(self.codes)) if self.possible[r, n]]
            for name in self.account.order:
                if name == VECTOR:
                    continue
                log_q = self.log_q[name].sum(-1)[:, n]
                best = self.codes[max(left, key=lambda r: float(log_q[r]))][name]
                left = [r for r in left if self.codes[r][name] == best]
            classes = [k for name in self.account.sizes for k in self.codes[left[0]][name]]
            found.append(torch.tensor(classes, dtype=torch.float64))
        codes = torch.stack(found)
        return torch.cat([codes, self.account.mean], -1) if self.account.continuous else codes

    def stored(self) -> Tensor:
        """The codes of all rows, (R, N, W)."""
        parts = [
            self.values[n] if n == VECTOR else self.values[n].argmax(-1).double()
            for n in self.names
        ]
        return torch.cat(parts, -1)


def rule(nodes: int, length: int) -> tuple[Tensor, Tensor]:
    """Nodes (M, L) and log-weights (M,) with Σ w f(node) = E f(u), u standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = torch.tensor([*product(points, repeat=length)], dtype=torch.float64)
    mass = torch.tensor([*product(weights, repeat=length)], dtype=torch.float64)
    return grid, (mass / math.sqrt(2 * math.pi)).log().sum(-1)


def all_rows(
    model: Any,
    x: Tensor,
    context: Tensor | None = None,
    chains: bool = False,
    nodes: int = NODES,
    of_prior: bool = False,
) -> Rows:
    """Goes through all values of the latents.

    Arguments:
        model: In float64.
        x: (N, *shape).
        context: (N, *context_shape).
        chains: Whether log Z is what training has that estimates it.
        nodes: Of the quadrature, for each number of u.
        of_prior: Whether nodes are those of p(u), not of q(u|x).
    """
    account = ACCOUNTS[type(model)](model, x, context, chains)
    log_p_x_of = LIKELIHOODS[model.likelihood.name]
    grid, log_weights = rule(nodes, account.continuous)
    codes, log_rule, decoded, possible, vectors = [], [], [], [], []
    log_p: dict[str, list[Tensor]] = {name: [] for name in account.order}
    log_q: dict[str, list[Tensor]] = {name: [] for name in account.order}
    rows = len(x)
    for node, weight in zip(grid, log_weights, strict=True):
        for code in _codes(account):
            values: dict[str, Any] = dict(code)
            if account.continuous:
                u = node.expand(rows, -1)
                values[VECTOR] = u if of_prior else account.mean + account.log_scale.exp() * u
                vectors.append(values[VECTOR])
            for name in account.order:
                found = account.log_p(name, values)
                log_p[name].append(found.expand(rows, found.shape[-1]))
                log_q[name].append(account.log_q(name, values))
            decoded.append(account.decoded(values))
            possible.append(account.possible(values))
            codes.append(code)
            log_rule.append(weight)
    values = {
        name: torch.stack([one_hot(code[name], k, rows).unflatten(-1, (d, k)) for code in codes])
        for name, (d, k) in account.sizes.items()
    }
    if account.continuous:
        values[VECTOR] = torch.stack(vectors)
    stack = torch.stack
    every_x = x.expand(len(codes), *x.shape).flatten(0, 1)
    log_p_x = log_p_x_of(model.likelihood, torch.cat(decoded), every_x)
    return Rows(
        account,
        codes,
        stack(log_rule)[:, None],
        values,
        log_p_x.view(len(codes), rows),
        {name: stack(parts) for name, parts in log_p.items()},
        {name: stack(parts) for name, parts in log_q.items()},
        stack(possible),
    )


def _codes(account: Account) -> Iterator[dict[str, Code]]:
    spaces = [all_codes(size) for size in account.sizes.values()]
    for chosen in product(*spaces):
        yield dict(zip(account.sizes, chosen, strict=True))


def log_evidence(
    model: Any, x: Tensor, context: Tensor | None = None, nodes: int = NODES
) -> Tensor:
    """log p(x), or log p(x, y) where the label is known, in nats, (N,)."""
    rows = all_rows(model, x, context, nodes=nodes, of_prior=True)
    if not rows.account.continuous:
        return rows.evidence
    of_codes = sum(p.sum(-1) for name, p in rows.log_p.items() if name != VECTOR)
    return (rows.log_p_x + rows.log_rule + of_codes).logsumexp(0)
