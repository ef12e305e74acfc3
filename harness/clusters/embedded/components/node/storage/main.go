// Command storage provisions PersistentVolumes as directories of the node that a pod without root can write.
//
// hostPath ignores fsGroup, so the directory is given to the group of the pod that waits for the claim: with
// volumeBindingMode WaitForFirstConsumer there always is one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const name = "harness.dev/hostpath"

func main() {
	folder := flag.String("folder", "/var/lib/harness/storage", "where the volumes lie, here and on the node")
	flag.Parse()
	if err := run(*folder); err != nil {
		fmt.Fprintln(os.Stderr, "storage:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx = klog.NewContext(ctx, klog.Background())
	controller.NewProvisionController(ctx, client, name, &provisioner{client, root},
		controller.LeaderElection(false),
		controller.MetricsPort(0),
		// A claim is tried until it is met or deleted, and soon again: what is waited for is another object of the cluster.
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, 5*time.Second)),
	).Run(ctx)
	return nil
}

// provisioner makes and removes directories in root; no name that a claim or a volume brings leads out of it.
type provisioner struct {
	client kubernetes.Interface
	root   *os.Root
}

// Provision makes the directory of a claim, and returns the volume that it is.
func (p *provisioner) Provision(
	ctx context.Context, options controller.ProvisionOptions,
) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if claim.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("a claim with a selector is for volumes that exist already")
	}
	if options.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf(
			"no node was chosen: StorageClass %s needs volumeBindingMode %s",
			options.StorageClass.Name, storage.VolumeBindingWaitForFirstConsumer)
	}
	pods, err := p.client.CoreV1().Pods(claim.Namespace).List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	users := usersOf(claim.Name, pods.Items)
	if len(users) == 0 {
		return nil, controller.ProvisioningFinished, fmt.Errorf("no pod uses claim %s any more", claim.Name)
	}
	if err := p.makeDirectory(options.PVName, groupOf(users)); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	kind := core.HostPathDirectory
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeSource: core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{
				Path: filepath.Join(p.root.Name(), options.PVName), Type: &kind,
			}},
			// By label: the scheduler and the kubelet look at no field of the node here.
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{{
					Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{options.SelectedNodeName},
				}}}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes the directory of a volume; one that is not directly in our folder is refused.
func (p *provisioner) Delete(_ context.Context, volume *core.PersistentVolume) error {
	source := volume.Spec.HostPath
	if source == nil || source.Path != filepath.Join(p.root.Name(), volume.Name) {
		return &controller.IgnoredError{Reason: fmt.Sprintf("%s is no volume of %s", volume.Name, p.root.Name())}
	}
	return p.root.RemoveAll(volume.Name)
}

// makeDirectory makes a directory that group can write, or everybody if there is none.
func (p *provisioner) makeDirectory(directory string, group *int64) error {
	// An earlier attempt may have ended after this.
	if err := p.root.Mkdir(directory, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if group == nil {
		return p.root.Chmod(directory, 0o777)
	}
	if err := p.root.Chown(directory, 0, int(*group)); err != nil {
		return err
	}
	return p.root.Chmod(directory, 0o770|fs.ModeSetgid)
}

// usersOf returns the pods that mount the claim, by its name or as their own ephemeral volume.
func usersOf(claim string, pods []core.Pod) []core.Pod {
	var users []core.Pod
	for _, pod := range pods {
		for _, volume := range pod.Spec.Volumes {
			named := volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == claim
			if named || volume.Ephemeral != nil && pod.Name+"-"+volume.Name == claim {
				users = append(users, pod)
				break
			}
		}
	}
	return users
}

// groupOf returns the first fsGroup that one of the pods asks for.
func groupOf(pods []core.Pod) *int64 {
	for _, pod := range pods {
		if security := pod.Spec.SecurityContext; security != nil && security.FSGroup != nil {
			return security.FSGroup
		}
	}
	return nil
}
