"""mapsto's network that speaks in PyTorch, with its losses: of tokens `[N, T]` and lengths `[N]`, frames `[N, F, bands]` and counts `[N]`."""

import numba
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from networks.texts import before

BLANK, HIDDEN, DIAGONAL = -1.0, -1e4, 0.2


@numba.njit("void(float32[:,:,:], int64[:], int64[:], int64[:,:])", cache=True)
def likeliest(scores, lengths, counts, durations):
    """How many frames each token has in the likeliest alignment (Kim et al. 2020), added to `durations` `[N, T]`."""
    for text in range(len(scores)):
        tokens, frames = lengths[text], counts[text]
        best = np.full((frames, tokens), -np.inf, np.float32)
        best[0, 0] = scores[text, 0, 0]
        for frame in range(1, frames):
            for token in range(min(tokens, frame + 1)):
                came = best[frame - 1, token]
                if token > 0:
                    came = max(came, best[frame - 1, token - 1])
                best[frame, token] = came + scores[text, frame, token]
        token = tokens - 1
        for frame in range(frames - 1, -1, -1):
            durations[text, token] += 1
            if frame > 0 and token > 0 and best[frame - 1, token - 1] > best[frame - 1, token]:
                token -= 1


class Block(nn.Module):
    """A convolution with ReLU and layer normalisation, added to what it reads."""

    def __init__(self, width, kernel, dropout):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(width, width, kernel, padding=kernel // 2), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, held):
        return x + self.dropout(self.norm(F.relu(self.conv((x * held).transpose(1, 2))).transpose(1, 2)))


class Stack(nn.ModuleList):
    def __init__(self, count, *settings):
        super().__init__(Block(*settings) for _ in range(count))

    def forward(self, x, held):
        for block in self:
            x = block(x, held)
        return x


class Parallel(nn.Module):
    """Of convolutions, as FastPitch (Łańcucki 2021); how long tokens sound is learned on the way (Badlani et al. 2022)."""

    def __init__(self, tokens, bands, width, encoder_layers, decoder_layers, kernel, alignment, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.encoder, self.durations, self.decoder = (Stack(n, width, kernel, dropout) for n in (encoder_layers, 2, decoder_layers))
        self.token_key, self.token_match = nn.Conv1d(width, width, 3, padding=1), nn.Conv1d(width, alignment, 1)
        self.frame_key, self.frame_match = nn.Conv1d(bands, width, 3, padding=1), nn.Conv1d(width, alignment, 1)
        self.duration, self.place, self.head = nn.Linear(width, 1), nn.Linear(2, width), nn.Linear(width, bands)

    def scores(self, embedded, held, frames, lengths, counts):
        """How well each frame fits each token, `[N, F, T]`, with a hint that both go from left to right."""
        keys = self.token_match(F.relu(self.token_key((embedded * held).transpose(1, 2))))
        queries = self.frame_match(F.relu(self.frame_key(frames.transpose(1, 2))))
        scores = queries.transpose(1, 2) @ keys * keys.shape[1] ** -0.5
        part = lambda counts, places: (torch.arange(places) + 0.5) / counts[:, None]
        apart = part(counts, frames.shape[1])[:, :, None] - part(lengths, embedded.shape[1])[:, None]
        scores = scores - apart**2 * (0.5 / DIAGONAL**2)
        return scores.masked_fill(~before(lengths, embedded.shape[1])[:, None], HIDDEN)

    def expand(self, encoded, durations, frames):
        """Of each frame what its token is, and where in it the frame lies."""
        ends = durations.cumsum(1)
        place = torch.arange(frames).expand(len(ends), -1).contiguous()
        token = torch.searchsorted(ends, place, right=True).clamp(max=ends.shape[1] - 1)
        count, end = durations.gather(1, token), ends.gather(1, token)
        held = (place < ends[:, -1:])[..., None]
        within = torch.stack([(place - (end - count) + 0.5) / count.clamp(min=1), (1.0 + count).log()], 2)
        x = encoded.gather(1, token[..., None].expand(-1, -1, encoded.shape[2]))
        return x + self.place(within * held)

    def forward(self, tokens, lengths, frames, counts):
        """What frames, durations and alignments are off."""
        held = before(lengths, tokens.shape[1])[..., None].to(frames.dtype)
        embedded = self.embedding(tokens)
        encoded = self.encoder(embedded, held)
        scores = self.scores(embedded, held, frames, lengths, counts)
        found = torch.zeros_like(tokens)
        likeliest(scores.detach().log_softmax(2).numpy(), lengths.numpy(), counts.numpy(), found.numpy())
        heard = before(counts, frames.shape[1])[..., None].to(frames.dtype)
        said = self.head(self.decoder(self.expand(encoded, found, frames.shape[1]), heard))
        off = ((said - frames).abs() * heard).sum() / (heard.sum() * frames.shape[2])
        # What durations are read from is not bent to them.
        logarithms = self.duration(self.durations(encoded.detach(), held)).squeeze(2)
        square = ((logarithms - (1.0 + found).log()) ** 2 * held.squeeze(2)).sum() / held.sum()
        log_probs = F.pad(scores, (1, 0), value=BLANK).log_softmax(2).transpose(0, 1)
        targets = torch.arange(1, tokens.shape[1] + 1).expand(len(tokens), -1)
        return off, square, F.ctc_loss(log_probs, targets, counts, lengths, reduction="sum") / counts.sum()
