"""Kubernetes: each attempt of a run is one Job, under the dispatcher's own name.

    place            which cluster and which namespace
    clusters         which cluster an entry of the settings, or the host, means
    kubeconfig       pure but for reading files: a kubeconfig becomes a cluster
    identities       the token, or the certificate, that a call carries
    api              one API server: its calls and answers; the only module that imports urllib3
    labels           pure: labels within Kubernetes' rules
    manifest         pure: a rendered configuration becomes a Job
    rules            pure: what a Job may not say, since an attempt would run twice or its end would be lost
    checking         pure: what is wrong with a configuration, and where its job goes
    outcomes         pure: the answer to a creation becomes an outcome
    pods, states     pure: a Job and its pods become an observation
    lookup           what a cluster has
    leftovers        what ended Jobs leave
    provider         the protocol

What Kubernetes remembers, and what follows from it:

* **A Job's name is taken while the Job exists**, ended or not: a second creation is answered with 409 AlreadyExists, and reads
  without a resource version are consistent. So creations are safe to repeat, and there is no look-up lag.
* **A Job is not "once" by default.** `backoffLimit` is 6. Here it is 0, with `restartPolicy: Never`, one completion, and a
  replacement only for a pod that has ended (`podReplacementPolicy: Failed`); what contradicts that is refused.
* **A Job that is deleted leaves nothing**, so a cancel does not delete it. It leaves a mark and a deadline that has passed,
  so the Job controller deletes the pods, with their own grace, and the Job stays as `Failed`. It is deleted once its end is
  recorded. A Job that is suspended has no pods and no clock, and is deleted at once.
* **`ttlSecondsAfterFinished` frees the name and loses the end.** Below an hour it is raised to one.
* **A Job's status never says that its pod cannot start.** The pods say it; the start deadline ends it.
* **The API deletes a Job and leaves its pods running** unless it is told otherwise: each deletion says what becomes of them.
"""

from providers.kubernetes.provider import KubernetesProvider

__all__ = ["KubernetesProvider"]
